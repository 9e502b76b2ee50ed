"""Figures of the chapter on planted permutations and orders: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin.plotting.style import ENDS, SEQUENTIAL, method_style

if TYPE_CHECKING:
    from onebasin.records import Record

_MARKERS = ("o", "s", "^", "D", "v", "P")


def draw_sweeps(panel, records: Sequence[Record]) -> None:
    """How much of the planted objective is still missing after every sweep.

    Args:
        panel: Figure or subfigure to draw on.
        records: One, with ``names`` and ``missing [networks runs sweeps]`` (nan where a run is
            over).
    """
    held = records[0].load_arrays()
    names, missing = held["names"].tolist(), held["missing"]
    axes = panel.subplots()
    shades = _shades(len(names))
    for name, runs, marker, shade in zip(names, missing, _MARKERS, shades, strict=False):
        places = np.arange(runs.shape[1])
        for k, run in enumerate(runs):
            label = name if k == 0 else None
            axes.plot(places, run, marker=marker, color=shade, lw=1, ms=5, alpha=0.8, label=label)
    axes.set_yscale("symlog", linthresh=1e-3)
    axes.set_ylim(-2e-4, 1.5)
    axes.set_xticks(np.arange(missing.shape[-1]))
    axes.set_xlabel("sweeps")
    axes.set_ylabel("objective still missing (share)")
    axes.legend(fontsize=8)


def draw_noise(panel, records: Sequence[Record]) -> None:
    """Share of units put back in their place against the noise added to the weights.

    Args:
        panel: Figure or subfigure to draw on.
        records: One, with ``noise``, ``widths`` and ``recovered [widths noise draws]``.
    """
    held = records[0].load_arrays()
    axes = panel.subplots()
    widths, shades = held["widths"].tolist(), _shades(len(held["widths"]))
    places = np.arange(len(held["noise"]))
    for width, rows, marker, shade in zip(
        widths, held["recovered"], _MARKERS, shades, strict=False
    ):
        axes.plot(places, rows.mean(1), marker=marker, color=shade, label=f"{width} units")
        axes.plot(places, rows, color=shade, ls="none", marker=".", ms=4, alpha=0.5)
    axes.set_xticks(places, [f"{level:g}" for level in held["noise"]])
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("noise (standard deviation of the weights)")
    axes.set_ylabel("units put back (share)")
    axes.legend(fontsize=8, title="each hidden layer")


def draw_orders(panel, records: Sequence[Record]) -> None:
    """Barriers of every pair over the orders of matching, and against the objective.

    Args:
        panel: Figure or subfigure to draw on.
        records: One, with ``barrier [pairs orders]`` and ``objective [pairs orders]``, the latter
            relative to each pair's mean.
    """
    left, right = panel.subplots(1, 2, sharey=True)
    held, look = records[0].load_arrays(), method_style("weight")
    barriers, objective = held["barrier"], held["objective"]
    for k, row in enumerate(barriers):
        spread = np.linspace(-0.25, 0.25, len(row))
        left.plot(k + spread, row, ls="none", marker="o", ms=3.5, color=look["color"], alpha=0.6)
        left.plot([k - 0.35, k + 0.35], [row.mean()] * 2, color=ENDS, lw=1.5)
    left.set_xticks(np.arange(len(barriers)))
    left.set_ylim(0, None)
    left.set_xlabel("pair of networks")
    left.set_ylabel("barrier (nats)")
    for row, value, marker, shade in zip(
        barriers, objective, _MARKERS * len(barriers), _shades(len(barriers)), strict=False
    ):
        right.plot(value, row, ls="none", marker=marker, ms=3.5, color=shade)
    right.set_xlabel("objective, over its mean (%)")


def _shades(count: int) -> list:
    from matplotlib import colormaps

    return list(colormaps[SEQUENTIAL](np.linspace(0.05, 0.8, count)))
