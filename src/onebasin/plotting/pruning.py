"""Figures of the chapter on pruned INRs: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin.plotting.predictions import KINDS, bare, clouds, small_cloud
from onebasin.plotting.style import method_style

if TYPE_CHECKING:
    from onebasin.records import Record

_GREY, _BLUE = "#8C8C8C", "#005A9C"


def draw_quality(panel, records: Sequence[Record]) -> None:
    """Chamfer distance against the share pruned, as a multiple of the unpruned one.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``percent [levels]`` and ``ratio [shapes levels]``, infinite where
            a reconstruction is unfinished.
    """
    arrays = records[0].load_arrays()
    percent, ratio = arrays["percent"], arrays["ratio"]
    axes = panel.subplots()
    axes.axhline(2, color=_GREY, lw=1, ls=":")
    axes.axvline(80, color=_GREY, lw=1, ls=":")
    look = method_style("pruned")
    done = np.isfinite(ratio)
    for one, whole in zip(ratio, done, strict=True):
        axes.plot(percent[whole], one[whole], color=look["color"], lw=0.7, alpha=0.6)
    middle = np.median(ratio, axis=0)
    seen = np.isfinite(middle)
    label = "median over shapes"
    axes.plot(percent[seen], middle[seen], **{**look, "label": label})
    lost = (~done).sum(axis=0)
    for place, count in zip(percent[lost > 0], lost[lost > 0], strict=True):
        text = {"transform": axes.get_xaxis_transform(), "ha": "center", "fontsize": 8}
        axes.text(place, 0.94, f"× {count}", **text)
    axes.set(xlabel="parameters set to zero (%)", ylabel="Chamfer distance / unpruned")
    axes.set_xlim(-3, 99)
    axes.set_yscale("log")
    axes.legend(loc="center left")


def draw_gallery(panel, records: Sequence[Record]) -> None:
    """Clouds read back, one row a shape, one column a percentage; crosses where none came.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``names``, ``percent [levels]``,
            ``points [shapes levels points 3]`` and ``complete [shapes levels]``.
    """
    arrays = records[0].load_arrays()
    names, percent = arrays["names"], arrays["percent"]
    grid = panel.subplots(len(names), len(percent), squeeze=False)
    for row, name in enumerate(names):
        for column in range(len(percent)):
            axes = grid[row, column]
            bare(axes)
            whole = bool(arrays["complete"][row, column])
            small_cloud(axes, arrays["points"][row, column], whole)
        grid[row, 0].set_ylabel(str(name).replace("_", " "), fontsize=7)
    for axes, level in zip(grid[0], percent, strict=True):
        axes.set_title(f"{level:g} %", fontsize=9)


def draw_health(panel, records: Sequence[Record]) -> None:
    """What pruned networks still answer: correlation with the labels, and what the search accepts.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``percent [levels]``, ``knows`` and ``accepted [shapes levels]``.
    """
    arrays = records[0].load_arrays()
    look = method_style("pruned")
    titles = {"knows": "correlation with the label", "accepted": "accepted surface points (share)"}
    for axes, (key, title) in zip(panel.subplots(1, 2), titles.items(), strict=True):
        axes.plot(arrays["percent"], arrays[key].T, color=look["color"], lw=0.7, alpha=0.6)
        axes.plot(arrays["percent"], arrays[key].mean(axis=0), **look)
        axes.set(xlabel="parameters set to zero (%)", ylabel=title, ylim=(-0.3, 1.05))


def draw_layers(panel, records: Sequence[Record]) -> None:
    """Share of zeros in every tensor at 80 percent, by both readings of the percentile.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``names [tensors]``, ``magnitude`` and ``signed [tensors]``.
    """
    arrays = records[0].load_arrays()
    names = [str(name).replace("layers.", "") for name in arrays["names"]]
    axes = panel.subplots()
    places = np.arange(len(names))[::-1]
    look = method_style("pruned")
    axes.barh(places + 0.2, arrays["magnitude"], 0.38, color=look["color"], label="of magnitudes")
    outline = {"facecolor": "white", "edgecolor": look["color"], "hatch": "///", "lw": 0.8}
    axes.barh(places - 0.2, arrays["signed"], 0.38, label="of signed values", **outline)
    axes.set_yticks(places, names, fontsize=8)
    axes.set(xlabel="share set to zero, 80th percentile", xlim=(0, 1))
    axes.grid(visible=False, axis="y")
    panel.legend(loc="outside lower center", ncols=2, fontsize=8)


def draw_paths(panel, records: Sequence[Record]) -> None:
    """Loss along the lines between pruned networks, beside that between unpruned ones.

    Args:
        panel: Figure or subfigure to draw on.
        records: One for each of same, none and weight, with ``lambdas``, ``loss`` and
            ``unpruned [lines lambdas]``.
    """
    held = {record.method: record for record in records}
    grid = panel.subplots(1, len(KINDS), sharey=True)
    for axes, (kind, title) in zip(grid, KINDS.items(), strict=True):
        arrays = held[kind].load_arrays()
        look = method_style(kind, label="", markevery=4, markersize=4)
        axes.plot(arrays["lambdas"], arrays["unpruned"].mean(0), **look)
        cut = method_style("pruned", markevery=4, markersize=4)
        axes.plot(arrays["lambdas"], arrays["loss"].T, color=cut["color"], lw=0.5, alpha=0.5)
        axes.plot(arrays["lambdas"], arrays["loss"].mean(0), **cut)
        axes.text(0.5, 1.02, title, transform=axes.transAxes, ha="center", fontsize=9)
        axes.set_xlabel("position $\\lambda$")
    grid[0].set_ylabel("loss (nats)")
    handles, labels = grid[0].get_legend_handles_labels()
    panel.legend(handles[-1:], labels[-1:], loc="outside lower center", fontsize=8)


def draw_clouds(panel, records: Sequence[Record]) -> None:
    """Clouds along one line between pruned networks, one block a kind.

    Args:
        panel: Figure or subfigure to draw on.
        records: One for each kind with ``points [lambdas points 3]`` and ``complete [lambdas]``.
    """
    held = {record.method: record for record in records}
    blocks = panel.subfigures(1, len(KINDS), wspace=0.05)
    for block, (kind, title) in zip(blocks, KINDS.items(), strict=True):
        arrays = held[kind].load_arrays()
        clouds(block, arrays["points"], arrays["complete"])
        block.supxlabel(title, fontsize=8)
