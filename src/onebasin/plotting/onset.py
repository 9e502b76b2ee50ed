"""Figures of the chapter on the onset of connectivity: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin.plotting.style import ENDS, legend_below, method_style

if TYPE_CHECKING:
    from onebasin.records import Record

_MARKS = (0.2, 0.05)  # what the row calls absent and present
_COLUMNS = {
    "plain": "as drawn",
    "random": "random\npermutation",
    "matched": "permutation\nof the end",
    "own": "matched at\nthe start",
}


def draw_epochs(panel, records: Sequence[Record]) -> None:
    """Barrier against epoch with and without matching, and the second in units of the first.

    Args:
        panel: Figure or subfigure to draw on.
        records: ``epochs-KIND`` for none and weight, with ``epochs`` and ``barrier [epochs
            pairs]``; a row of panels for every kind.
    """
    kinds = list(dict.fromkeys(record.experiment for record in records))
    grid = panel.subplots(len(kinds), 2, squeeze=False)
    for row, kind in zip(grid, kinds, strict=True):
        held = {r.method: r.load_arrays() for r in records if r.experiment == kind}
        _draw_course(row[0], row[1], held)
        row[0].set_ylabel(f"{kind.removeprefix('epochs-')}\nbarrier (nats)")
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    grid[0, 0].legend(fontsize=8, loc="upper left")


def _draw_course(left, right, held: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Barriers of one kind of network on the left, their ratio on the right."""
    epochs = held["none"]["epochs"]
    places = np.log2(1 + epochs)
    for method in ("none", "weight"):
        heights, look = held[method]["barrier"], method_style(method)
        left.plot(places, heights.mean(1), **look)
        left.plot(places, heights, color=look["color"], ls="none", marker=".", ms=4, alpha=0.5)
    trained = epochs > 0
    ratio = held["weight"]["barrier"][trained] / held["none"]["barrier"][trained]
    look = method_style("weight")
    right.plot(places[trained], ratio, color=look["color"], lw=0.7, alpha=0.5)
    right.plot(places[trained], ratio.mean(1), **look)
    for mark in _MARKS:
        right.axhline(mark, color=ENDS, lw=0.8, ls=":")
    for axes, shown in ((left, epochs), (right, epochs[trained])):
        axes.set_xticks(np.log2(1 + shown), [str(epoch) for epoch in shown])
        axes.set_ylim(0, None)
    right.set_ylabel("matched / plain barrier")


def draw_lines(panel, records: Sequence[Record]) -> None:
    """Loss along the line at the start, after the first epoch and after the last.

    Args:
        panel: Figure or subfigure to draw on.
        records: As for :func:`draw_epochs`, with ``lambdas`` and ``loss [epochs pairs lambdas]``.
    """
    epochs = records[0].load_arrays()["epochs"]
    chosen = [0, 1, len(epochs) - 1]
    grid = panel.subplots(1, len(chosen))
    for record in records:
        arrays, look = record.load_arrays(), method_style(record.method, markevery=6)
        for axes, row in zip(grid, chosen, strict=True):
            axes.plot(arrays["lambdas"], arrays["loss"][row].T, color=look["color"], lw=0.5)
            axes.plot(arrays["lambdas"], arrays["loss"][row].mean(0), **look)
    for axes, row in zip(grid, chosen, strict=True):
        title = "start" if row == 0 else f"epoch {epochs[row]}"
        axes.text(0.5, 1.02, title, transform=axes.transAxes, ha="center", fontsize=9)
        axes.set_xlabel("position $\\lambda$")
    grid[0].set_ylabel("test loss (nats)")
    legend_below(panel, grid[0])


def draw_start(panel, records: Sequence[Record]) -> None:
    """Loss half-way between untrained networks, less that of the ends, under four permutations.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``plain``, ``random``, ``matched`` and ``own [draws pairs]``.
    """
    axes = panel.subplots()
    arrays = records[0].load_arrays()
    axes.axhline(0, color=ENDS, lw=0.8)
    for place, name in enumerate(_COLUMNS):
        values = np.ravel(arrays[name])
        spread = np.linspace(-0.12, 0.12, len(values))
        look = method_style("weight" if name in ("matched", "own") else "none")
        axes.scatter(place + spread, values, s=16, color=look["color"], alpha=0.7)
        axes.plot(place, values.mean(), marker="_", ms=30, color=ENDS)
    axes.set_xticks(range(len(_COLUMNS)), list(_COLUMNS.values()))
    axes.set_ylabel("excess half-way (nats)")
