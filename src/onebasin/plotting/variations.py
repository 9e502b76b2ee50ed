"""Figures of the chapters on what matching moves and on normalised weights, from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin import registry
from onebasin.plotting.predictions import clouds
from onebasin.plotting.style import legend_below, method_style

if TYPE_CHECKING:
    from onebasin.records import Record

_GREY = "#8C8C8C"
#: Line of each kind of preprocessing; all share the hue of weight matching but the blind one.
LOOKS = {
    "raw": ("raw weights", "-"),
    "single": ("min-max, each tensor", "--"),
    "paired": ("min-max, pairs of tensors", ":"),
    "blind": ("raw, blind to biases", "-."),
}


def draw_by_weights(panel, records: Sequence[Record]) -> None:
    """What weight matching leaves in place; see :func:`draw_identity`."""
    draw_identity(panel, [record for record in records if record.method == "weight"])


def draw_by_activations(panel, records: Sequence[Record]) -> None:
    """What activation matching leaves in place; see :func:`draw_identity`."""
    draw_identity(panel, [record for record in records if record.method == "activation"])


def draw_identity(panel, records: Sequence[Record]) -> None:
    """How many units stay in place, shape by shape and layer by layer.

    Args:
        panel: Figure or subfigure to draw on.
        records: Experiments ``same`` and ``diff`` of one method, with ``in_place [pairs layers]``
            (fractions), ``shape [pairs]`` and ``names``.
    """
    held = {record.experiment: record.load_arrays() for record in records}
    method = records[0].method
    left, right = panel.subplots(1, 2, sharey=True, width_ratios=(1.5, 1))
    looks = {"same": ("same", "same start", -0.12), "diff": (method, "different starts", 0.12)}
    names = [str(name).rpartition("/")[2].replace("_", " ") for name in held["same"]["names"]]
    for key, (look, label, shift) in looks.items():
        arrays = held[key]
        mark = {"color": registry.get(look).colour, "marker": registry.get(look).marker, "ls": ""}
        places = np.asarray(arrays["shape"]) + shift
        left.plot(places, arrays["in_place"].mean(1), label=label, **mark, ms=5)
        layers = np.arange(arrays["in_place"].shape[1])
        for row in arrays["in_place"]:
            right.plot(layers + 1 + shift, row, **mark, ms=4, alpha=0.6)
    turn = {"rotation": 40, "ha": "right", "fontsize": 8}
    few = names if len(names) <= 12 else [""] * len(names)
    left.set_xticks(np.arange(len(names)), few, **turn)
    left.set(ylabel="fraction of units that stay", ylim=(-0.04, 1.04))
    right.set(xlabel="hidden layer", xticks=np.arange(len(held["same"]["in_place"][0])) + 1)
    legend_below(panel, left, ncols=2)


def draw_minmax(panel, records: Sequence[Record]) -> None:
    """Loss along the lines after weight matching of raw and of normalised weights.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``lambdas``, ``none`` and a curve ``[lines lambdas]`` for each of
            :data:`LOOKS`.
    """
    arrays = records[0].load_arrays()
    axes = panel.subplots()
    axes.plot(arrays["lambdas"], arrays["none"].mean(0), **method_style("none", lw=1))
    colour = registry.get("weight").colour
    for key, (label, dash) in LOOKS.items():
        shade = _GREY if key == "blind" else colour
        axes.plot(arrays["lambdas"], arrays[key].mean(0), color=shade, ls=dash, label=label)
    axes.set(xlabel="position $\\lambda$", ylabel="loss (nats)")
    panel.legend(loc="outside lower center", ncols=3, fontsize=8)


def draw_influence(panel, records: Sequence[Record]) -> None:
    """Which tensors decide: their share in the spread of the similarities that are assigned by.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``groups``, ``parts`` and ``raw``, ``single``, ``paired
            [groups parts]`` (shares that add up to 1).
    """
    arrays = records[0].load_arrays()
    parts = [str(part) for part in arrays["parts"]]
    places = np.arange(len(arrays["groups"]))
    grid = panel.subplots(1, 3, sharey=True)
    for axes, key in zip(grid, ("raw", "single", "paired"), strict=True):
        base = np.zeros(len(places))
        for column, (part, shade) in enumerate(zip(parts, ("0.25", "0.55", "0.85"), strict=True)):
            axes.bar(places + 1, arrays[key][:, column], 0.7, bottom=base, color=shade, label=part)
            base = base + arrays[key][:, column]
        axes.text(0.5, 1.02, LOOKS[key][0], transform=axes.transAxes, ha="center", fontsize=8)
        axes.set(xlabel="hidden layer", xticks=places + 1, ylim=(0, 1))
        axes.grid(visible=False, axis="x")
    grid[0].set_ylabel("share of the spread")
    legend_below(panel, grid[0], ncols=3)


def draw_clouds(panel, records: Sequence[Record]) -> None:
    """Clouds along one line, after matching raw and both kinds of normalised weights.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``points [kinds lambdas points 3]``, ``complete [kinds lambdas]``.
    """
    arrays = records[0].load_arrays()
    blocks = panel.subfigures(1, 3, wspace=0.05)
    for k, (block, key) in enumerate(zip(blocks, ("raw", "single", "paired"), strict=True)):
        clouds(block, arrays["points"][k], arrays["complete"][k])
        block.supxlabel(LOOKS[key][0], fontsize=8)
