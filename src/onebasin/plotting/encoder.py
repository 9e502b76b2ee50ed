"""Figures of the chapter on what an encoder of weights reads: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin.plotting.style import legend_below, method_style

if TYPE_CHECKING:
    from onebasin.records import Record

_BLUE, _GOLD, _GREY = "#005A9C", "#BF8400", "#C8C8C8"


def draw_distances(panel, records: Sequence[Record]) -> None:
    """Relative distance of every tensor from its aligned partner, method by method.

    Args:
        panel: Figure or subfigure to draw on.
        records: One per method with ``names [tensors]`` and ``distance [pairs tensors]``.
    """
    axes = panel.subplots()
    axes.axhline(2**0.5, color="#8C8C8C", lw=1, ls=":")
    for record in records:
        arrays = record.load_arrays()
        names = [str(name).replace("layers.", "") for name in arrays["names"]]
        axes.plot(arrays["distance"].mean(0), **method_style(record.method))
    axes.set_xticks(np.arange(len(names)), names, rotation=40, ha="right", fontsize=8)
    axes.set(ylabel="relative distance", ylim=(-0.05, 2.05))
    panel.legend(loc="outside lower center", ncols=3, fontsize=8)


def draw_steps(panel, records: Sequence[Record]) -> None:
    """What training does to the weights between hidden layers, against its steps.

    Args:
        panel: Figure or subfigure to draw on.
        records: One with ``widths`` and, for each width W, ``steps_W``, ``learned_W [steps nets]``,
            ``same_W`` and ``aligned_W [steps]``.
    """
    arrays = records[0].load_arrays()
    grid = panel.subplots(1, len(arrays["widths"]), sharey=True, squeeze=False)[0]
    for axes, width in zip(grid, arrays["widths"], strict=True):
        axes.axhline(2**0.5, color="#8C8C8C", lw=1, ls=":")
        steps = arrays[f"steps_{width}"]
        look = method_style("sign + phase", label="another start, signs and phases aligned")
        axes.plot(steps, arrays[f"aligned_{width}"], **look)
        look = method_style("same", label="another cloud, same start")
        axes.plot(steps, arrays[f"same_{width}"], **look)
        own = {"color": "#000000", "marker": "s", "ls": "--", "label": "its own start"}
        axes.plot(steps, arrays[f"learned_{width}"].mean(1), **own)
        axes.text(0.5, 1.02, f"width {width}", transform=axes.transAxes, ha="center", fontsize=9)
        axes.set(xlabel="steps of Adam", ylim=(-0.05, 1.6))
        axes.set_xscale("log")
    grid[0].set_ylabel("relative distance from")
    legend_below(panel, grid[0], ncols=1)


def draw_shares(panel, records: Sequence[Record]) -> None:
    """What explains the variance of weights and of embeddings: shape, start, or neither alone.

    Args:
        panel: Figure or subfigure to draw on.
        records: One with ``kinds``, ``weights`` and ``embedding [kinds shape-start-rest]``.
    """
    arrays = records[0].load_arrays()
    kinds = [str(kind) for kind in arrays["kinds"]]
    places = np.arange(len(kinds))[::-1]
    parts = (("shape", _BLUE), ("start", _GOLD), ("neither alone", _GREY))
    grid = panel.subplots(1, 2, sharey=True)
    for axes, key in zip(grid, ("weights", "embedding"), strict=True):
        base = np.zeros(len(kinds))
        for column, (label, colour) in enumerate(parts):
            share = arrays[key][:, column]
            axes.barh(places, share, 0.7, left=base, color=colour, label=label)
            base = base + share
        axes.set(xlabel=f"share of variance, {key}", xlim=(0, 1))
        axes.grid(visible=False, axis="y")
    grid[0].set_yticks(places, kinds, fontsize=8)
    legend_below(panel, grid[0], ncols=3)
