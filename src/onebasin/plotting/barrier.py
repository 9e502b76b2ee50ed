"""Figures of the chapter on barriers: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin import registry
from onebasin.plotting.style import method_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onebasin.records import Record

_CURVE, _CHORD, _MEAN = "#000000", "#005A9C", "#B23A00"
_NAMES = ("concave", "linear", "convex", "wave")


def draw_slices(panel, records: Sequence[Record]) -> None:
    """Four slices of a loss, and what the two definitions of the barrier measure on them.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with the arrays ``lambdas`` and ``loss [4 lambdas]`` (concave, linear,
            convex, wave).
    """
    arrays = records[0].load_arrays()
    grid = panel.subplots(2, 2, sharex=True, sharey=True).flat
    for k, (axes, loss) in enumerate(zip(grid, arrays["loss"], strict=True)):
        _slice(axes, arrays["lambdas"], loss)
        axes.text(0.03, 0.95, _NAMES[k], transform=axes.transAxes, va="top")
        if k > 1:
            axes.set_xlabel("position $\\lambda$")
        if k % 2 == 0:
            axes.set_ylabel("loss")
        if k == 0:
            axes.legend(loc="lower right", frameon=False, fontsize=8)


def draw_lines(panel, records: Sequence[Record]) -> None:
    """Test loss along the line for every width, a thin curve per pair and the mean of each method.

    Args:
        panel: Figure or subfigure to draw on.
        records: One per method, each with ``lambdas``, ``widths`` and ``loss [widths pairs
            lambdas]``.
    """
    widths = records[0].load_arrays()["widths"]
    grid = panel.subplots(1, len(widths), sharey=True, squeeze=False)[0]
    for record in _ordered(records):
        arrays, method = record.load_arrays(), registry.get(record.method)
        for axes, loss in zip(grid, arrays["loss"], strict=True):
            axes.plot(arrays["lambdas"], loss.T, color=method.colour, lw=0.6, alpha=0.5)
            axes.plot(arrays["lambdas"], loss.mean(0), **method_style(record.method, markevery=6))
    for axes, width in zip(grid, widths, strict=True):
        axes.text(0.5, 1.02, f"width {width}", transform=axes.transAxes, ha="center")
        axes.set_xlabel("position $\\lambda$")
        axes.set_ylim(0, axes.get_ylim()[1])
    grid[0].set_ylabel("test loss (nats)")
    handles, labels = grid[0].get_legend_handles_labels()
    panel.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)


def draw_widths(panel, records: Sequence[Record]) -> None:
    """Barrier against width for every method, the points of all pairs and their mean.

    Args:
        panel: Figure or subfigure to draw on.
        records: As for :func:`draw_lines`, with ``barrier [widths pairs]``.
    """
    axes = panel.subplots()
    for record in _ordered(records):
        arrays, method = record.load_arrays(), registry.get(record.method)
        widths, heights = arrays["widths"], arrays["barrier"]
        axes.plot(widths, heights.mean(1), **method_style(record.method))
        points = {"color": method.colour, "marker": method.marker or "_", "s": 14, "alpha": 0.5}
        axes.scatter(np.repeat(widths, heights.shape[1]), heights.ravel(), **points)
    axes.set(xscale="log", yscale="log", xlabel="width (hidden units per layer)")
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.minorticks_off()
    axes.set_ylabel("barrier (nats)")
    axes.legend(frameon=False)


def _slice(axes: Axes, lambdas: np.ndarray, loss: np.ndarray) -> None:
    """One curve with its chord and the mean of its ends; arrows show the two barriers."""
    chord = (1 - lambdas) * loss[0] + lambdas * loss[-1]
    mean = np.full_like(loss, (loss[0] + loss[-1]) / 2)
    axes.plot(lambdas, loss, color=_CURVE)
    axes.plot(lambdas, chord, color=_CHORD, ls="--", lw=1.2, label="line between the ends")
    axes.plot(lambdas, mean, color=_MEAN, ls=":", lw=1.2, label="mean of the ends")
    axes.scatter(lambdas[[0, -1]], loss[[0, -1]], color=_CURVE, s=20, zorder=3)
    for base, colour in ((chord, _CHORD), (mean, _MEAN)):
        top = int(np.argmax(loss - base))
        if loss[top] - base[top] > 1e-9:
            arrow = {"arrowstyle": "->", "color": colour, "lw": 1.6, "shrinkA": 0, "shrinkB": 0}
            foot, tip = (lambdas[top], base[top]), (lambdas[top], loss[top])
            axes.annotate("", xy=tip, xytext=foot, arrowprops=arrow)


def _ordered(records: Sequence[Record]) -> list[Record]:
    """From the highest mean barrier to the lowest, as the curves lie."""
    return sorted(records, key=lambda record: -record.load_arrays()["barrier"].mean())
