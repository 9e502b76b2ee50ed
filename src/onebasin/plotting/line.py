"""Figures of the chapter on the loss between INRs: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin import registry
from onebasin.connectivity.barrier import peaks
from onebasin.plotting.style import SEQUENTIAL, legend_below, method_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onebasin.records import Record

_MOST = 8  # panels of small multiples
_WINDOWS = {"none": ((3, 6), (18, 21)), "activation": ((3, 6), (18, 21)), "weight": ((9, 15),)}
_KINDS = {"same": "same start", "none": "different starts"}


def draw_weight(panel, records: Sequence[Record]) -> None:
    """Same start, different starts, and those after weight matching; one small panel a shape."""
    draw_paths(panel, records, ("same", "none", "weight"))


def draw_activation(panel, records: Sequence[Record]) -> None:
    """The same with activation matching in the place of weight matching."""
    draw_paths(panel, records, ("same", "none", "activation"))


def draw_peaks(panel, records: Sequence[Record]) -> None:
    """Where the peaks of all pairs lie, method by method, beside where the paper sees them.

    Args:
        panel: Figure or subfigure to draw on.
        records: One for each of the methods none, activation and weight, as above.
    """
    held = _ordered(records, tuple(_WINDOWS))
    grid = panel.subplots(len(held), 1, sharex=True, squeeze=False)[:, 0]
    for axes, record in zip(grid, held, strict=True):
        loss = record.load_arrays()["loss"]
        method = registry.get(record.method)
        found = [index for one in peaks(_tensor(loss)) for index in one]
        for low, high in _WINDOWS[record.method]:
            axes.axvspan(low - 0.5, high + 0.5, color="#E9E9E9", lw=0)
        counts = np.bincount(found, minlength=loss.shape[1])
        axes.bar(np.arange(loss.shape[1]), counts / len(loss), color=method.colour, width=0.7)
        label = _KINDS.get(record.method, f"after {method.label}")
        axes.text(0.5, 0.82, label, transform=axes.transAxes, ha="center", fontsize=9)
        axes.set(ylim=(0, 1.05), xlim=(-0.6, loss.shape[1] - 0.4))
    grid[len(held) // 2].set_ylabel("peaks per pair at this stop")
    grid[-1].set_xlabel("index of the stop $\\lambda$")


def draw_batch(panel, records: Sequence[Record]) -> None:
    """The same pairs of one shape, trained with fewer and with more points a step.

    Args:
        panel: Figure or subfigure to draw on.
        records: One per method with ``lambdas``, ``fewer`` and ``more [pairs lambdas]`` and the
            array ``batches``.
    """
    grid = panel.subplots(1, 2, sharey=True)
    batches = records[0].load_arrays()["batches"]
    for axes, key, batch in zip(grid, ("fewer", "more"), batches, strict=True):
        for record in _ordered(records, ("same", "none", "weight", "activation")):
            arrays = record.load_arrays()
            _curves(axes, arrays["lambdas"], arrays[key], record.method)
        axes.set_xlabel("position $\\lambda$")
        axes.text(0.5, 1.02, f"{batch:,} points a step", transform=axes.transAxes, ha="center")
    grid[0].set_ylabel("loss (nats)")
    _legend(panel, grid[0])


def draw_causes(panel, records: Sequence[Record]) -> None:
    """Weight matching as it is, blind to biases, and between other starts: all pairs of each.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``lambdas`` and ``all``, ``blind``, ``starts [pairs lambdas]``.
    """
    arrays = records[0].load_arrays()
    titles = {"all": "as above", "blind": "blind to biases", "starts": "between other starts"}
    grid = panel.subplots(1, len(titles), sharey=True)
    for axes, (key, title) in zip(grid, titles.items(), strict=True):
        axes.axvline(0.5, color="#B8B8B8", lw=1, ls=":", zorder=0)
        _curves(axes, arrays["lambdas"], arrays[key], "weight")
        axes.text(0.5, 1.02, title, transform=axes.transAxes, ha="center", fontsize=9)
        axes.set_xlabel("position $\\lambda$")
    grid[0].set_ylabel("loss (nats)")


def draw_width(panel, records: Sequence[Record]) -> None:
    """One pair of starts at several widths, before and after weight matching, on a fine line.

    Args:
        panel: Figure or subfigure to draw on.
        records: One for none and one for weight, with ``lambdas``, ``widths`` and
            ``loss [widths lambdas]`` (mean over pairs).
    """
    import matplotlib

    held = _ordered(records, ("none", "weight"))
    grid = panel.subplots(1, len(held), sharey=True)
    for axes, record in zip(grid, held, strict=True):
        arrays = record.load_arrays()
        shades = matplotlib.colormaps[SEQUENTIAL](np.linspace(0.85, 0, len(arrays["widths"])))
        for width, loss, shade in zip(arrays["widths"], arrays["loss"], shades, strict=True):
            axes.plot(arrays["lambdas"], loss, color=shade, lw=1.5, label=f"width {width}")
        name = registry.get(record.method).label
        title = _KINDS.get(record.method, f"after {name}")
        axes.text(0.5, 1.02, title, transform=axes.transAxes, ha="center", fontsize=9)
        for stop in (3 / 24, 21 / 24) if record.method == "none" else (0.5,):
            axes.axvline(stop, color="#B8B8B8", lw=1, ls=":", zorder=0)
        axes.set_xlabel("position $\\lambda$")
    grid[0].set_ylabel("loss (nats)")
    _legend(panel, grid[0])


def _ordered(records: Sequence[Record], methods: tuple[str, ...]) -> list[Record]:
    """The records of these methods, in this order."""
    held = {record.method: record for record in records}
    return [held[method] for method in methods if method in held]


def draw_paths(panel, records: Sequence[Record], methods: tuple[str, ...]) -> None:
    """One panel a shape, every pair a thin line, their mean a thick one.

    Args:
        panel: Figure or subfigure to draw on.
        records: One per method with the arrays ``lambdas``, ``loss [pairs lambdas]``, ``shape
            [pairs]`` and ``names``.
        methods: Those that are drawn, in this order.
    """
    held = {record.method: record.load_arrays() for record in records if record.method in methods}
    names = held["same"]["names"][:_MOST]
    columns = min(len(names), 3 if len(names) <= 6 else 4)
    rows = -(-len(names) // columns)
    grid = panel.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for index, (axes, name) in enumerate(zip(grid.flat, names, strict=False)):
        for method in methods:
            arrays = held[method]
            _curves(axes, arrays["lambdas"], arrays["loss"][arrays["shape"] == index], method)
        axes.text(0.5, 1.02, _plain(name), transform=axes.transAxes, ha="center", fontsize=9)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("position $\\lambda$")
    for axes in grid[:, 0]:
        axes.set_ylabel("loss (nats)")
    _legend(panel, grid[0, 0])


def _curves(axes: Axes, lambdas: np.ndarray, loss: np.ndarray, method: str) -> None:
    look = method_style(method, markevery=4, markersize=4)
    if method == "none":
        look["label"] = _KINDS["none"]
    axes.plot(lambdas, loss.T, color=look["color"], lw=0.6, alpha=0.5)
    axes.plot(lambdas, loss.mean(axis=0), **look)


def _legend(panel, axes: Axes) -> None:
    legend_below(panel, axes)


def _plain(name: str) -> str:
    return str(name).rpartition("/")[2].replace("_", " ")


def _tensor(loss: np.ndarray):
    import torch

    return torch.from_numpy(np.asarray(loss, dtype=np.float64))
