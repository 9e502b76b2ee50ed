"""Figures of the chapter on how close two INRs can be brought: each is drawn from records alone.

What is measured on the straight line is drawn full, what is measured with corrected statistics
dotted and in a panel, or with a label, of its own: the two are never one curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin.plotting.inrs import project
from onebasin.plotting.style import band, legend_below, method_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onebasin.records import Record

_KINDS = {"same": "same start", "none": "different starts"}
_COLUMNS = {"barrier": "straight line", "corrected": "corrected statistics"}
_CURVES = ("none", "weight", "phase")
_GREY = "#8A8A8A"  # the best constant: a level, not a method
_FEW = 32  # points of a cloud below which it is not drawn


def draw_width(panel, records: Sequence[Record]) -> None:
    """Barrier (left) and corrected barrier (right) against width, one curve for each method.

    Args:
        panel: Figure or subfigure to draw on.
        records: One for each method with the arrays ``widths``, and for ``barrier`` and
            ``corrected`` their mean over shapes and its interval ``[3 widths]``; of the first
            also ``constant [widths]``, what the best constant output reaches.
    """
    grid = panel.subplots(1, 2, sharex=True, sharey=True)
    for axes, (key, title) in zip(grid, _COLUMNS.items(), strict=True):
        for record in records:
            arrays = record.load_arrays()
            mean, low, high = np.maximum(arrays[key], 1e-4)
            look = method_style(record.method)
            look["label"] = _KINDS.get(record.method, look["label"])
            axes.plot(arrays["widths"], mean, **look)
            band(axes, arrays["widths"], low, high, look["color"])
        first = records[0].load_arrays()
        if "constant" in first:
            axes.plot(first["widths"], first["constant"], color=_GREY, lw=1, label="best constant")
        axes.set(xscale="log", yscale="log", xlabel="width (units)")
        axes.set_xticks(arrays["widths"], [str(width) for width in arrays["widths"]])
        axes.minorticks_off()
        axes.text(0.5, 1.02, title, transform=axes.transAxes, ha="center", fontsize=9)
    grid[0].set_ylabel("barrier (nats)")
    grid[1].set_ylabel("corrected barrier (nats)")
    _legend(panel, grid[0])


def draw_curves(panel, records: Sequence[Record]) -> None:
    """Loss along the straight line and along the corrected path, one small panel for each shape.

    Args:
        panel: Figure or subfigure to draw on.
        records: One for each method with ``lambdas``, ``loss`` and ``corrected_loss [pairs
            lambdas]``, ``constant`` (height of the best constant output above the ends) and
            ``shape [pairs]``, and ``names``.
    """
    held = {one.method: one.load_arrays() for one in records if one.method in _CURVES}
    names = next(iter(held.values()))["names"][:6]
    grid = panel.subplots(2, -(-len(names) // 2), sharex=True, sharey=True, squeeze=False)
    for index, (axes, name) in enumerate(zip(grid.flat, names, strict=False)):
        for method in _CURVES:
            _pair_of_curves(axes, held[method], index, method)
        _level(axes, held["none"], index)
        title = str(name).rpartition("/")[2].replace("_", " ")
        axes.text(0.5, 1.02, title, transform=axes.transAxes, ha="center", fontsize=9)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("position $\\lambda$")
    for axes in grid[:, 0]:
        axes.set_ylabel("loss (nats)")
    _legend(panel, grid[0, 0], columns=3)


def _pair_of_curves(axes: Axes, arrays, index: int, method: str) -> None:
    rows = arrays["shape"] == index
    look = method_style(method, markevery=3, markersize=3, lw=1.5)
    name = _KINDS.get(method, look["label"])
    axes.plot(
        arrays["lambdas"], arrays["loss"][rows].mean(0), **{**look, "linestyle": "-", "label": name}
    )
    dotted = {**look, "linestyle": ":", "marker": None, "label": f"{name}, corrected"}
    axes.plot(arrays["lambdas"], arrays["corrected_loss"][rows].mean(0), **dotted)


def _level(axes: Axes, arrays, index: int) -> None:
    """The loss of the best constant output for one shape."""
    if "constant" in arrays:
        rows = arrays["shape"] == index
        ends = arrays["loss"][rows][:, [0, -1]].mean()
        height = ends + arrays["constant"][rows].mean()
        axes.axhline(height, color=_GREY, lw=1, zorder=1, label="best constant")


def draw_clouds(panel, records: Sequence[Record]) -> None:
    """Clouds read back from networks along the way, one row for each kind of path.

    Args:
        panel: Figure or subfigure to draw on.
        records: One with ``rows`` (names), ``lambdas``, ``points`` (all clouds in one, 16-bit
            integers for [-1, 1]), ``counts [rows lambdas]`` and ``complete [rows lambdas]``.
    """
    arrays = records[0].load_arrays()
    counts, lambdas = arrays["counts"], arrays["lambdas"]
    grid = panel.subplots(*counts.shape, squeeze=False)
    ends = np.cumsum(counts.ravel()).reshape(counts.shape)
    for row, name in enumerate(arrays["rows"]):
        for column, axes in enumerate(grid[row]):
            end, count = ends[row, column], counts[row, column]
            _cloud(axes, arrays["points"][end - count : end] / 32767)
            if not arrays["complete"][row, column]:
                axes.text(0.5, 0.5, "X", transform=axes.transAxes, ha="center", va="center")
        grid[row, 0].set_ylabel(str(name), fontsize=8)
    for axes, lam in zip(grid[-1], lambdas, strict=True):
        axes.set_xlabel(f"$\\lambda={lam:.2f}$", fontsize=8)


def draw_beside(panel, records: Sequence[Record]) -> None:
    """Chamfer distance of the clouds read back half-way, against the barrier beside it.

    Args:
        panel: Figure or subfigure to draw on.
        records: One for each method, with the arrays ``barrier``, ``corrected``, ``chamfer`` and
            ``chamfer_corrected [pairs]`` (NaN where no cloud was found), and ``ends``.
    """
    grid = panel.subplots(1, 2, sharex=True, sharey=True)
    keys = (("barrier", "chamfer"), ("corrected", "chamfer_corrected"))
    for axes, (height, distance), title in zip(grid, keys, _COLUMNS.values(), strict=True):
        for record in records:
            arrays, look = record.load_arrays(), method_style(record.method)
            face = "none" if look.get("markerfacecolor") == "white" else look["color"]
            label = _KINDS.get(record.method, look["label"])
            marks = {"marker": look["marker"] or "o", "edgecolors": look["color"], "s": 22}
            x, y = np.maximum(arrays[height], 1e-3), arrays[distance]
            axes.scatter(x, y, facecolors=face, label=label, **marks)
        ends = records[0].load_arrays()["ends"]
        axes.axhspan(ends.min(), ends.max(), color="#E4E4E4", lw=0, zorder=0, label="the ends")
        axes.set(xscale="log", yscale="log")
        axes.text(0.5, 1.02, title, transform=axes.transAxes, ha="center", fontsize=9)
    grid[0].set(xlabel="barrier (nats)", ylabel="Chamfer distance (squared radius)")
    grid[1].set_xlabel("corrected barrier (nats)")
    _legend(panel, grid[0])


def draw_learned(panel, records: Sequence[Record]) -> None:
    """Barrier of every pair before and after refinement on the midpoint's loss, width by width.

    Args:
        panel: Figure or subfigure to draw on.
        records: One with ``widths``, ``barrier [widths 2 pairs]``: before, after, and
            ``constant [widths]``, what the best constant output reaches.
    """
    record = records[0]
    arrays = record.load_arrays()
    axes = panel.subplots()
    shade = method_style(record.method)["color"]
    for column, heights in enumerate(np.maximum(arrays["barrier"], 1e-4)):
        ends = np.array([column - 0.22, column + 0.22])
        axes.plot(ends, heights, color=shade, lw=0.9, zorder=1)
        for place, values, face in zip(ends, heights, ("white", shade), strict=True):
            label = {"white": "phases on data", shade: "refined"}[face] if not column else None
            axes.scatter(
                np.full(len(values), place),
                values,
                facecolors=face,
                edgecolors=shade,
                s=26,
                label=label,
                zorder=2,
            )
    for column, level in enumerate(arrays["constant"]):
        label = None if column else "best constant"
        axes.plot([column - 0.4, column + 0.4], [level] * 2, color=_GREY, lw=1, label=label)
    widths = [str(width) for width in arrays["widths"]]
    axes.set_xticks(range(len(widths)), widths)
    axes.set(yscale="log", xlabel="width (units)", ylabel="barrier (nats)")
    axes.set_xlim(-0.6, len(widths) - 0.4)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _cloud(axes: Axes, points: np.ndarray) -> None:
    if len(points) >= _FEW:
        seen = project(points)
        axes.scatter(seen[:, 0], seen[:, 1], s=1.2, lw=0, color="#000000")
    axes.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal", xticks=[], yticks=[])
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)


def _legend(panel, axes: Axes, columns: int = 4) -> None:
    legend_below(panel, axes, ncols=columns)
