"""Figures of the chapter on predictions along the line: each is drawn from records alone.

Points are those that INRs gave back; nothing of the shapes themselves is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin import registry
from onebasin.plotting.inrs import project
from onebasin.plotting.style import SEQUENTIAL, legend_below, method_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onebasin.records import Record

KINDS = {"same": "same start", "none": "different starts", "weight": "after weight matching"}
_BLACK, _GREY, _BLUE, _GOLD = "#000000", "#8C8C8C", "#005A9C", "#BF8400"
_SIDE = 5  # the 25 stops as a square


def draw_same(panel, records: Sequence[Record]) -> None:
    """One line between networks of the same start; see :func:`draw_line`."""
    draw_line(panel, records, "same")


def draw_diff(panel, records: Sequence[Record]) -> None:
    """One line between networks of different starts; see :func:`draw_line`."""
    draw_line(panel, records, "none")


def draw_matched(panel, records: Sequence[Record]) -> None:
    """The same line after weight matching; see :func:`draw_line`."""
    draw_line(panel, records, "weight")


def draw_line(panel, records: Sequence[Record], method: str) -> None:
    """Loss along one line, the clouds read back at its stops, and histograms of predictions.

    Args:
        panel: Figure or subfigure to draw on.
        records: One of them belongs to ``method`` and has ``lambdas``, ``loss [lambdas]``,
            ``histogram [lambdas bins]``, ``points [lambdas points 3]``, ``complete [lambdas]``.
        method: Whose record is drawn.
    """
    arrays = {record.method: record for record in records}[method].load_arrays()
    look = method_style(method, markersize=4)
    above, below = panel.subfigures(2, 1, height_ratios=(1, 2.6))
    axes = above.subplots()
    axes.plot(arrays["lambdas"], arrays["loss"], **look)
    axes.set(xlabel="position $\\lambda$", ylabel="loss (nats)", xlim=(-0.02, 1.02))
    left, right = below.subfigures(1, 2, wspace=0.04)
    clouds(left, arrays["points"], arrays["complete"])
    left.supxlabel("read back", fontsize=8)
    _histograms(right, arrays["histogram"], look["color"])
    right.supxlabel("prediction, 0 (far) to 1 (surface)", fontsize=8)


def clouds(panel, points: np.ndarray, complete: np.ndarray) -> None:
    """Clouds in reading order, five a row; a cross where the search ran out of its budget."""
    side = min(_SIDE, len(points))
    grid = panel.subplots(-(-len(points) // side), side, squeeze=False)
    for axes in grid.flat:
        bare(axes)
    for axes, cloud, whole in zip(grid.flat, points, complete.tolist(), strict=False):
        small_cloud(axes, cloud, whole)


def small_cloud(axes: Axes, cloud: np.ndarray, whole: bool, size: float = 0.5) -> None:
    """One cloud in the unit ball seen from the front, or a cross."""
    axes.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
    if not whole:
        axes.plot([0], [0], marker="x", color=_GREY, markersize=9, mew=1.5, ls="")
        return
    seen = project(cloud.astype(np.float64))
    order = np.argsort(seen[:, 2])
    shade = {"c": seen[order, 2], "cmap": SEQUENTIAL, "vmin": -1.2, "vmax": 1.2}
    axes.scatter(seen[order, 0], seen[order, 1], s=max(size, 120 / len(seen)), lw=0, **shade)


def bare(axes: Axes) -> None:
    """No ticks, grid or frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)


def _histograms(panel, counts: np.ndarray, colour: str) -> None:
    rows = -(-len(counts) // _SIDE)
    grid = panel.subplots(rows, _SIDE, sharex=True, sharey=True, squeeze=False)
    centres = (np.arange(counts.shape[1]) + 0.5) / counts.shape[1]
    for axes, count in zip(grid.flat, counts, strict=False):
        axes.bar(centres, count / count.sum(), width=1 / counts.shape[1], color=colour)
        axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 1], yticks=[])
        axes.tick_params(labelsize=6)
        axes.grid(False)


def draw_shares(panel, records: Sequence[Record]) -> None:
    """Mean loss and, below it, the shares of predictions far away and half-way, per kind of line.

    Args:
        panel: Figure or subfigure to draw on.
        records: One per method with ``lambdas``, ``constant`` (a loss) and ``loss``, ``far``,
            ``middle``, ``knows [lines lambdas]``.
    """
    held = _ordered(records)
    grid = panel.subplots(2, len(held), sharex=True, sharey="row", squeeze=False)
    for (above, below), record in zip(grid.T, held, strict=True):
        arrays = record.load_arrays()
        lambdas = arrays["lambdas"]
        colour = registry.get(record.method).colour
        above.plot(lambdas, arrays["loss"].T, color=colour, lw=0.5, alpha=0.5)
        above.plot(lambdas, arrays["loss"].mean(0), color=colour)
        above.axhline(float(arrays["constant"]), color=_GREY, lw=1, ls=":")
        above.text(0.5, 1.02, KINDS[record.method], transform=above.transAxes, ha="center", size=9)
        far = {"color": _BLACK, "ls": "-", "label": "far away (at most 0.1)"}
        middle = {"color": _GOLD, "ls": "--", "label": "half-way (0.4 to 0.6)"}
        knows = {"color": _BLUE, "ls": ":", "label": "correlation with the label"}
        for key, look in (("far", far), ("middle", middle), ("knows", knows)):
            below.plot(lambdas, arrays[key].mean(0), **look)
        below.set(xlabel="position $\\lambda$", ylim=(-0.25, 1.02))
    grid[0, 0].set_ylabel("loss (nats)")
    grid[1, 0].set_ylabel("share, correlation")
    legend_below(panel, grid[1, 0], ncols=3)


def draw_follow(panel, records: Sequence[Record]) -> None:
    """Chamfer distance against loss at every stop, different starts as trained and matched.

    Args:
        panel: Figure or subfigure to draw on.
        records: One for none and one for weight, with ``lambdas``, ``loss`` and ``chamfer
            [lines lambdas]``, infinite where the reconstruction is unfinished.
    """
    held = [record for record in _ordered(records) if record.method != "same"]
    grid = panel.subplots(1, len(held), sharey=True, sharex=True, squeeze=False)[0]
    for axes, record in zip(grid, held, strict=True):
        arrays = record.load_arrays()
        inward = np.minimum(arrays["lambdas"], 1 - arrays["lambdas"])
        inward = np.broadcast_to(inward, arrays["loss"].shape)
        done = np.isfinite(arrays["chamfer"])
        shade = {"cmap": SEQUENTIAL, "vmin": 0, "vmax": 0.5, "lw": 0}
        marks = axes.scatter(
            arrays["loss"][done], arrays["chamfer"][done], c=inward[done], s=9, **shade
        )
        axes.set_yscale("log")
        height = axes.get_xaxis_transform()
        axes.scatter(
            arrays["loss"][~done],
            np.full((~done).sum(), 0.97),
            c=inward[~done],
            marker="x",
            s=14,
            transform=height,
            **{**shade, "lw": 0.9},
        )
        axes.text(0.5, 1.02, KINDS[record.method], transform=axes.transAxes, ha="center", size=9)
        axes.set_xlabel("loss (nats)")
    low, high = grid[0].get_ylim()
    grid[0].set_ylim(low, high * 3)
    grid[0].set_ylabel("Chamfer distance (squared radius)")
    bar = panel.colorbar(marks, ax=list(grid), shrink=0.8, pad=0.02)
    bar.set_label("$\\min(\\lambda, 1-\\lambda)$", fontsize=8)


def _ordered(records: Sequence[Record]) -> list[Record]:
    held = {record.method: record for record in records}
    return [held[method] for method in KINDS if method in held]
