"""Figures of the chapter on HYPER-MATCHING: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from onebasin.plotting.line import draw_paths
from onebasin.plotting.predictions import bare, small_cloud
from onebasin.plotting.style import legend_below, method_style

if TYPE_CHECKING:
    from onebasin.records import Record

METHOD = "hyper-matching"
SOURCES = {
    "encoder": "with encoder",
    "code": "trained code",
    "free": "free weights",
    "gentle": "free, small steps",
}
_DASHES = {"encoder": "-", "code": "--", "free": ":", "gentle": "-."}
_GREY = "#8C8C8C"


def draw_lines(panel, records: Sequence[Record]) -> None:
    """Same start, different starts, weight matching, and HYPER-MATCHING, one panel a shape."""
    draw_paths(panel, records, ("same", "none", "weight", METHOD))


def draw_controls(panel, records: Sequence[Record]) -> None:
    """One shape's lines to the new weights, by what emitted them; their training losses beside.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``lambdas``, and for each source ``SOURCE_loss [lambdas]``,
            ``SOURCE_training [points]`` and ``SOURCE_at [points]``.
    """
    arrays = records[0].load_arrays()
    left, right = panel.subplots(1, 2)
    colour = method_style(METHOD)["color"]
    for name, label in SOURCES.items():
        look = {"color": colour, "ls": _DASHES[name], "label": label}
        left.plot(arrays[f"{name}_at"], arrays[f"{name}_training"], **look)
        right.plot(arrays["lambdas"], arrays[f"{name}_loss"], **look)
    left.set(xlabel="step", ylabel="training loss (nats)")
    right.set(xlabel="position $\\lambda$", ylabel="loss (nats)")
    legend_below(panel, left)


def draw_distances(panel, records: Sequence[Record]) -> None:
    """Relative distance of the new weights to both ends along training, one panel a source.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``steps [noted]``, ``apart`` (distance of the two ends) and, for
            each source, ``SOURCE_ref`` and ``SOURCE_other [shapes noted]``.
    """
    arrays = records[0].load_arrays()
    grid = panel.subplots(1, len(SOURCES), sharey=True)
    looks = {"ref": ("#000000", "-", "to A"), "other": ("#3D9BD4", "--", "to B")}
    for axes, (name, label) in zip(grid, SOURCES.items(), strict=True):
        axes.axhline(float(arrays["apart"]), color=_GREY, lw=1, ls=":")
        for end, (colour, dash, what) in looks.items():
            curves = arrays[f"{name}_{end}"]
            axes.plot(arrays["steps"], curves.T, color=colour, ls=dash, lw=0.6, alpha=0.5)
            axes.plot(arrays["steps"], curves.mean(0), color=colour, ls=dash, label=what)
        axes.text(0.5, 1.02, label, transform=axes.transAxes, ha="center", fontsize=9)
        axes.set_xlabel("step")
        axes.set_yscale("symlog", linthresh=0.1, linscale=0.4)  # from a start at B to far beyond A
        axes.set_ylim(bottom=0)
        axes.set_yticks([0, 0.1, 1, 10], ["0", "0.1", "1", "10"])
    grid[0].set_ylabel("distance / norm")
    legend_below(panel, grid[0], ncols=2)


def draw_clouds(panel, records: Sequence[Record]) -> None:
    """Clouds read back at some stops of the line to the new weights, one row a shape.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``names``, ``lambdas``, ``points [shapes stops points 3]`` and
            ``complete [shapes stops]``.
    """
    arrays = records[0].load_arrays()
    names, stops = arrays["names"], arrays["lambdas"]
    grid = panel.subplots(len(names), len(stops), squeeze=False)
    for row, axes_row in enumerate(grid):
        for column, axes in enumerate(axes_row):
            bare(axes)
            cloud, whole = arrays["points"][row, column], bool(arrays["complete"][row, column])
            small_cloud(axes, cloud, whole)
    for axes, stop in zip(grid[0], stops, strict=True):
        axes.set_title(f"$\\lambda={stop:.2f}$", fontsize=8)
    for axes, name in zip(grid[:, 0], names, strict=True):
        axes.set_ylabel(str(name).rpartition("/")[2].replace("_", " "), fontsize=8)
