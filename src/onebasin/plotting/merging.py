"""Figures of the chapter on merging after matching: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin import registry
from onebasin.plotting.style import ENDS, legend_below, method_style

if TYPE_CHECKING:
    from onebasin.records import Record

_LEAST = 1e-3  # nats; lower barriers are drawn here
_VARIANTS = {  # label, dash and short label of the estimator's variants
    "straight-through": ("from the reference", "-", "from the\nreference"),
    "midpoint": ("learning the midpoint", "--", "the\nmidpoint"),
    "random": ("from random weights", "-.", "random\nstart"),
}
_GROUPS = (("after weight matching", (0, 1)), ("after activation matching", (2, 3, 4)))


def draw_lines(panel, records: Sequence[Record]) -> None:
    """Loss and accuracy along the line, on training and on test images, for every method.

    Args:
        panel: Figure or subfigure to draw on.
        records: One per method with ``lambdas`` and ``train_loss``, ``test_loss``,
            ``train_accuracy``, ``test_accuracy [pairs lambdas]``.
    """
    grid = panel.subplots(2, 2, sharex=True, sharey="row")
    for row, kind in zip(grid, ("loss", "accuracy"), strict=True):
        for axes, split in zip(row, ("train", "test"), strict=True):
            for record in records:
                arrays, look = record.load_arrays(), method_style(record.method, markevery=6)
                lines = arrays[f"{split}_{kind}"]
                axes.plot(arrays["lambdas"], lines.T, color=look["color"], lw=0.5, alpha=0.5)
                axes.plot(arrays["lambdas"], lines.mean(0), **look)
    for axes, split in zip(grid[0], ("training images", "test images"), strict=True):
        axes.text(0.5, 1.02, split, transform=axes.transAxes, ha="center", fontsize=9)
    for axes in grid[1]:
        axes.set_xlabel("position $\\lambda$")
    grid[0, 0].set_ylabel("loss (nats)")
    grid[1, 0].set_ylabel("accuracy (share)")
    legend_below(panel, grid[0, 0])


def draw_photographs(panel, records: Sequence[Record]) -> None:
    """Test loss and accuracy along the line, for every method.

    Args:
        panel: Figure or subfigure to draw on.
        records: One per method with ``lambdas`` and ``test_loss``, ``test_accuracy``, ``[pairs
            lambdas]`` each.
    """
    left, right = panel.subplots(1, 2, sharex=True)
    for axes, kind in ((left, "test_loss"), (right, "test_accuracy")):
        for record in records:
            arrays, look = record.load_arrays(), method_style(record.method, markevery=6)
            axes.plot(arrays["lambdas"], arrays[kind].T, color=look["color"], lw=0.5, alpha=0.5)
            axes.plot(arrays["lambdas"], arrays[kind].mean(0), **look)
        axes.set_xlabel("position $\\lambda$")
    left.set_ylabel("test loss (nats)")
    right.set_ylabel("test accuracy (share)")
    legend_below(panel, left)


def draw_start(panel, records: Sequence[Record]) -> None:
    """The estimator by start and by what it learns: losses pass by pass, and barriers at the end.

    Args:
        panel: Figure or subfigure to draw on.
        records: One with ``loss.NAME [pairs passes]`` for every variant, ``loss.long [passes]`` and
            ``barrier.NAME [pairs]`` for every variant and weight matching.
    """
    arrays = records[0].load_arrays()
    left, right = panel.subplots(1, 2, width_ratios=[3, 2])
    for name, (label, dash, _) in _VARIANTS.items():
        lines, look = arrays[f"loss.{name}"], {"color": _learner().colour, "ls": dash}
        passes = 1 + np.arange(lines.shape[1])
        left.plot(passes, lines.T, lw=0.5, alpha=0.5, **look)
        left.plot(passes, lines.mean(0), label=label.replace("\n", " "), **look)
    long = arrays["loss.long"]
    left.plot(1 + np.arange(len(long)), long, color=ENDS, ls=":", lw=1, label="first pair, longer")
    left.set(xscale="log", xlabel="passes over the images", ylabel="loss of the midpoint (nats)")
    left.legend(fontsize=7)
    names = ["weight", *_VARIANTS]
    values = np.stack([arrays[f"barrier.{name}"] for name in names])
    right.plot(values, color=ENDS, lw=0.6, alpha=0.5)
    for place, row in enumerate(values):
        method = registry.get("weight") if names[place] == "weight" else _learner()
        hollow = {"mfc": "white"} if names[place] == "midpoint" else {}
        marker = method.marker if names[place] in ("weight", "straight-through") else "o"
        points = {"color": method.colour, "marker": marker, **hollow}
        right.plot([place] * len(row), row, ls="none", ms=5, **points)
    ticks = ["weight\nmatching", *(short for _, _, short in _VARIANTS.values())]
    right.set_xticks(range(len(names)), ticks, fontsize=7)
    right.set_ylabel("barrier (nats)")
    right.set_ylim(0, None)


def _learner() -> registry.Method:
    return registry.get("straight-through")


def draw_cost(panel, records: Sequence[Record]) -> None:
    """Barrier against the time of one match, method by method; the plain barrier as a line.

    Args:
        panel: Figure or subfigure to draw on.
        records: One per method with the metrics ``barrier`` and ``time``.
    """
    axes = panel.subplots()
    for record in records:
        heights = np.maximum(record.metrics["barrier"].values, _LEAST)
        look, method = method_style(record.method), registry.get(record.method)
        if record.method == "none":
            axes.axhline(heights.mean(), color=look["color"], ls=look["linestyle"])
            axes.text(0.98, heights.mean(), look["label"], va="bottom", ha="right",
                      transform=axes.get_yaxis_transform(), fontsize=8)  # fmt: skip
            continue
        seconds = np.asarray(record.metrics["time"].values)
        points = {"color": method.colour, "marker": method.marker}
        axes.scatter(seconds, heights, s=12, alpha=0.5, **points)
        axes.scatter(seconds.mean(), heights.mean(), s=60, label=method.label, **points)
    axes.set(xscale="log", yscale="log", xlabel="time of one match (seconds)")
    axes.set_ylabel("barrier (nats)")
    legend_below(panel, axes)


def draw_variants(panel, records: Sequence[Record]) -> None:
    """Barriers when one thing is changed, the points of a pair joined.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``names`` and ``barrier [variants pairs]``: two ways after weight
            matching, then three kinds of activation matching.
    """
    arrays = records[0].load_arrays()
    grid = panel.subplots(1, 2, sharey=True, width_ratios=[2, 3])
    for axes, (title, rows), method in zip(grid, _GROUPS, ("weight", "activation"), strict=True):
        look = registry.get(method)
        values = arrays["barrier"][list(rows)]
        places = np.arange(len(rows))
        axes.plot(places, values, color=look.colour, marker=look.marker, ms=4, lw=0.8, alpha=0.7)
        axes.plot(places, values.mean(1), color=ENDS, ls="none", marker="_", ms=22)
        axes.set_xticks(places, [str(arrays["names"][row]) for row in rows])
        axes.set_xlim(-0.5, len(rows) - 0.5)
        axes.text(0.5, 1.02, title, transform=axes.transAxes, ha="center", fontsize=9)
    grid[0].set_ylabel("barrier (nats)")
    grid[0].set_ylim(0, None)
