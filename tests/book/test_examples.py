"""The code that the page on your own model shows does what the page says."""

from __future__ import annotations

import runpy
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "book" / "examples" / "own_model.py"


def test_own_model_in_five_lines() -> None:
    found = runpy.run_path(str(EXAMPLE))
    before, after = (float(one) for one in found["barriers"])
    assert before > 0.05, "the two networks should be apart before matching"
    assert after < before / 2
    assert bool(found["matches"].converged.all())
    shown = EXAMPLE.read_text().split("# -- five lines\n")[1].split("# -- end\n")[0]
    assert len(shown.strip().splitlines()) == 5
