"""Figures of the chapter on merging many networks: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin.plotting.style import ENDS, SEQUENTIAL, method_style

if TYPE_CHECKING:
    from onebasin.records import Record

_LOOK = {"turns": "weight", "universe": "joint", "plain": "none"}
_LABEL = {
    "inputs": "the inputs",
    "plain": "plain\naverage",
    "turns": "merged\nby turns",
    "universe": "merged in\na universe",
    "ensemble": "ensemble",
}


def draw_quality(panel, records: Sequence[Record]) -> None:
    """Test loss and accuracy of inputs, merges and ensemble, set by set.

    Args:
        panel: Figure or subfigure to draw on.
        records: One, with ``loss.NAME`` and ``accuracy.NAME`` for every name, ``[sets]`` or, for
            the inputs, ``[sets networks]``.
    """
    held = records[0].load_arrays()
    for axes, what in zip(panel.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for column, name in enumerate(_LABEL):
            values = held[f"{what}.{name}"].reshape(len(held["loss.turns"]), -1)
            colour = method_style(_LOOK[name])["color"] if name in _LOOK else ENDS
            spread = np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else [0.0]
            for place, row in zip(spread, values, strict=True):
                axes.plot([column + place] * len(row), row, ls="none", marker="o", ms=4, c=colour)
        axes.set_xticks(range(len(_LABEL)), list(_LABEL.values()), fontsize=7)
        axes.set_ylabel("test loss (nats)" if what == "loss" else "test accuracy (share)")
    _cut_above(panel.axes[0], held)


def _cut_above(axes, held) -> None:
    """Leave room for what competes: the plain average may be far above all others."""
    rivals = [held[f"loss.{name}"].max() for name in _LABEL if name != "plain"]
    worst = float(held["loss.plain"].max())
    if worst > 3 * max(rivals):
        axes.set_ylim(0, 1.4 * max(rivals))
        at = (1, 1.32 * max(rivals))
        axes.annotate(f"up to {worst:.1f} ↑", at, ha="center", fontsize=8)
    else:
        axes.set_ylim(0, None)


def draw_climb(panel, records: Sequence[Record]) -> None:
    """Objective of both ways of merging, step by step.

    Args:
        panel: Figure or subfigure to draw on.
        records: One, with ``turns [sets steps]``, ``relaxed [sets steps]`` and ``finish [sets
            steps]`` (nan after the end), relative to the objective before.
    """
    held = records[0].load_arrays()
    left, right = panel.subplots(1, 2, sharey=True)
    shades = _shades(len(held["turns"]))
    for turns, relaxed, finish, shade in zip(
        held["turns"], held["relaxed"], held["finish"], shades, strict=True
    ):
        left.plot(turns, color=shade)
        steps = int(np.isfinite(relaxed).sum())
        right.plot(relaxed, color=shade, marker="^", ms=3)
        tail = finish[np.isfinite(finish)]
        right.plot(steps - 1 + np.arange(len(tail)), tail, color=shade, ls=":")
    left.set_xlabel("networks looked at, by turns")
    right.set_xlabel("steps of all, then turns (dotted)")
    left.set_ylabel("sum of inner products\n(first value = 1)")


def _shades(count: int) -> list:
    from matplotlib import colormaps

    return list(colormaps[SEQUENTIAL](np.linspace(0.05, 0.8, count)))
