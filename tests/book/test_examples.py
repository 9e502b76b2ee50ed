"""The code that the page on your own models shows does what the page says."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import torch

BOOK = Path(__file__).resolve().parents[2] / "book"
EXAMPLE = BOOK / "examples" / "own_model.py"
MARKS = re.compile(r':start-after: "(# -- .*)"\n:end-before: "(# -- .*)"')


def cut(start: str, end: str) -> str:
    return EXAMPLE.read_text().split(f"{start}\n")[1].split(f"{end}\n")[0]


@pytest.fixture(scope="module")
def found() -> dict:
    """What the blocks of the page define, run in its order: it needs nothing it does not show."""
    blocks = MARKS.findall((BOOK / "own-model.md").read_text())
    assert len(blocks) >= 9
    imports = "\n".join(EXAMPLE.read_text().splitlines()[2:6])
    program = "\n".join([imports, *(cut(*marks) for marks in blocks)])
    scope: dict = {"__name__": "page"}
    with redirect_stdout(StringIO()) as printed:
        exec(compile(program, "own-model.md", "exec"), scope)
    return {**scope, "printed": printed.getvalue()}


def test_the_file_to_download_is_the_page() -> None:
    marks = dict(MARKS.findall((BOOK / "own-model.md").read_text()))
    lines = EXAMPLE.read_text().split("\n")[6:]
    inside = None
    for line in lines:
        if inside is None and line in marks:
            inside = marks[line]
        elif line == inside:
            inside = None
        else:
            assert inside or not line or line.startswith("# ruff"), (
                f"stands in no block of the page: {line}"
            )


def test_the_page_shows_what_is_printed(found: dict) -> None:
    shown = "".join(re.findall(r"```text\n(.*?)```", (BOOK / "own-model.md").read_text(), re.S))
    decimals = re.compile(r"\d+\.\d+")
    assert decimals.sub("#", shown) == decimals.sub("#", found["printed"])
    there, here = (list(map(float, decimals.findall(text))) for text in (shown, found["printed"]))
    assert here == pytest.approx(there, rel=0.1, abs=0.1)  # training rounds as the machine does


def test_own_model_in_five_lines(found: dict) -> None:
    shown = [line for line in cut("# -- five lines", "# -- end").splitlines() if line]
    assert len(shown) == 5
    before, after = float(found["before"]), float(found["after"])
    assert before > 0.05, "the two networks should be apart before matching"
    assert after < before / 2
    result = found["found"]
    assert result.distance_after < result.distance_before and result.match.converged
    assert str(result).startswith("Alignment(distance ")
    assert bool(found["matches"].converged.all())


def test_residual_and_recurrent_networks(found: dict) -> None:
    residual, recurrent = found["residual"], found["recurrent"]
    assert len(residual.spec.groups) == 3  # the stream, and one inside each block
    assert any(name.endswith("running_mean") for name in residual.spec.carried)
    for result in (residual, recurrent, found["by_activations"], found["learned"]):
        assert result.function_change < 1e-4
    for result in (residual, recurrent, found["best_of_ten"]):
        assert result.distance_after < result.distance_before
    mean = found["other_net"].state_dict()["bn.running_mean"]
    perm = residual.element.perms[residual.spec.axes["bn.running_mean"][0]]
    assert torch.equal(residual.module.state_dict()["bn.running_mean"], mean[perm])
    x = found["images"]
    assert torch.isfinite(found["halfway"](x)).all()
