"""Our reading of py:percent files agrees with jupytext's."""

from __future__ import annotations

from pathlib import Path

import pytest

from onebasin import cells

_LAYOUT = "lines_to_next_cell"  # jupytext's own note on blank lines
CHAPTERS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*/*.py"))
TEXT = """\
# %% [markdown]
# A *word*.
#
# Another.

# %% tags=["a", "b"] mystnb={"image": {"alt": "x = y"}}
x = 1

# a comment
y = 2

# %% [raw]
# raw

# %%
"""


def same(text: str) -> None:
    jupytext = pytest.importorskip("jupytext")
    theirs = jupytext.reads(text, fmt="py:percent").cells
    ours = cells.read(text)
    assert [cell.kind for cell in ours] == [cell.cell_type for cell in theirs]
    for own, other in zip(ours, theirs, strict=True):
        assert own.source.strip() == other.source.strip()
        assert own.metadata == {k: v for k, v in other.metadata.items() if k != _LAYOUT}
        assert not own.fault
        first = own.source.splitlines()[:1]
        if own.kind == "code" and first:
            assert text.splitlines()[own.line - 1 :][:1] == first


def test_every_kind_of_cell() -> None:
    same(TEXT)
    assert cells.read(TEXT)[1].tags == ["a", "b"]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapters(path: Path) -> None:
    same(path.read_text(encoding="utf8"))


def test_a_header_that_is_not_json_is_a_fault() -> None:
    (cell,) = cells.read("# %% tags=[a]\nx = 1\n")
    assert cell.fault.startswith("tags is not JSON") and cell.source == "x = 1"


def test_calls_are_found_by_their_dotted_name() -> None:
    (cell,) = cells.read('# %%\nrun = book.start("a", size=3)\nstart()\n')
    (call,) = cells.called_with(cell, "book.start")
    assert [keyword.arg for keyword in call.keywords] == ["size"]
