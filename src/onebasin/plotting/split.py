"""Figures of the chapter on disjoint data and calibration: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from onebasin.plotting.style import ENDS, cut_mark, legend_below, method_style

if TYPE_CHECKING:
    from onebasin.records import Record

_DATA = {"digits": "digits", "pictures": "photographs"}
_RIVALS = {
    "ends": "ends",
    "untilted": "ends,\nno tilt",
    "plain": "plain\naverage",
    "merge": "merge",
    "ensemble": "ensemble",
    "whole": "trained\non all",
}
_LEVELS = {"ensemble": ("ensemble of both", "-."), "whole": ("trained on everything", ":")}
_SETTINGS = {
    "digits": "biased halves,\ndigits",
    "pictures": "biased halves,\nphotographs",
    "random": "random halves,\ndigits",
    "train": "random halves,\ntraining images",
}
_UNITS = {"loss": "test loss (nats)", "accuracy": "test accuracy (share)"}


def _look(kind: str) -> dict[str, Any]:
    """Marker, dash and colour of a kind of network: black unless its weights were averaged."""
    marks = {"inputs": "s", "tempered": "D", "merge": "o", "ensemble": "P"}
    method = {"merge": "weight", "plain": "none"}.get(kind)
    colour = method_style(method)["color"] if method else ENDS
    return {"color": colour, "marker": marks.get(kind, "o"), "ms": 4}


def _named(records: Sequence[Record]) -> dict[str, Record]:
    return {record.experiment: record for record in records}


def draw_lines(panel, records: Sequence[Record]) -> None:
    """Loss and accuracy along the line for both data sets, with their rivals as levels.

    Args:
        panel: Figure or subfigure to draw on.
        records: ``lines-NAME`` of two methods with ``lambdas`` and ``loss``, ``accuracy [pairs
            lambdas]``, and ``quality-NAME`` with ``loss.KIND``, ``accuracy.KIND [pairs networks]``.
    """
    grid = panel.subplots(2, 2, sharex=True)
    held = _named(records)
    for column, name in zip(grid.T, _DATA, strict=True):
        rivals = held[f"quality-{name}"].load_arrays()
        for axes, kind in zip(column, _UNITS, strict=True):
            for record in records:
                if record.experiment != f"lines-{name}":
                    continue
                arrays, look = record.load_arrays(), method_style(record.method, markevery=6)
                axes.plot(arrays["lambdas"], arrays[kind].T, color=look["color"], lw=0.5, alpha=0.5)
                axes.plot(arrays["lambdas"], arrays[kind].mean(0), **look)
            for rival, (label, dash) in _LEVELS.items():
                level = rivals[f"{kind}.{rival}"].mean()
                axes.axhline(level, color=ENDS, ls=dash, lw=1.2, label=label)
        column[0].text(
            0.5, 1.02, _DATA[name], transform=column[0].transAxes, ha="center", fontsize=9
        )
        column[1].set_xlabel("position $\\lambda$")
    for axes, label in zip(grid[:, 0], _UNITS.values(), strict=True):
        axes.set_ylabel(label)
    legend_below(panel, grid[0, 0])


def draw_quality(panel, records: Sequence[Record]) -> None:
    """Test loss and accuracy of the ends and of all their rivals, pair by pair.

    Args:
        panel: Figure or subfigure to draw on.
        records: ``quality-NAME`` with ``loss.KIND`` and ``accuracy.KIND [pairs networks]``.
    """
    grid = panel.subplots(2, 2, sharex=True)
    held = _named(records)
    for column, name in zip(grid.T, _DATA, strict=True):
        arrays = held[f"quality-{name}"].load_arrays()
        for axes, what in zip(column, _UNITS, strict=True):
            for place, kind in enumerate(_RIVALS):
                _columns(axes, place, arrays[f"{what}.{kind}"], _look(kind))
        _cut(column, arrays)
        column[1].set_xticks(range(len(_RIVALS)), list(_RIVALS.values()), fontsize=6.5)
        column[0].text(
            0.5, 1.02, _DATA[name], transform=column[0].transAxes, ha="center", fontsize=9
        )
    for axes, label in zip(grid[:, 0], _UNITS.values(), strict=True):
        axes.set_ylabel(label)


def _columns(axes, place: float, values: np.ndarray, look: dict[str, Any]) -> None:
    """All values at one place, each row of them in a column of its own."""
    spread = np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else [0.0]
    for offset, row in zip(spread, values, strict=True):
        axes.plot([place + offset] * len(row), row, ls="none", **look)


def _cut(column, arrays) -> None:
    """Leave room for what competes: the plain average may be far worse than all others."""
    loss, accuracy = (
        {kind: arrays[f"{what}.{kind}"] for kind in _RIVALS} for what in ("loss", "accuracy")
    )
    highest = max(float(loss[kind].max()) for kind in loss if kind != "plain")
    lowest = min(float(accuracy[kind].min()) for kind in accuracy if kind != "plain")
    place, floor = list(_RIVALS).index("plain"), max(0.0, 1 - 1.4 * (1 - lowest))
    column[0].set_ylim(0, 1.15 * float(loss["plain"].max()))
    if loss["plain"].max() > 3 * highest:
        column[0].set_ylim(0, 1.4 * highest)
        text = f"up to {loss['plain'].max():.1f} ↑"
        column[0].annotate(text, (place, 1.3 * highest), ha="center", fontsize=8)
    if accuracy["plain"].min() < floor:
        column[1].set_ylim(floor, 1 - 0.5 * (1 - max(float(a.max()) for a in accuracy.values())))
        text = f"down to {accuracy['plain'].min():.2f} ↓"
        at = (place, floor + 0.04 * (1 - floor))
        column[1].annotate(text, at, ha="center", fontsize=8)
        cut_mark(column[1])


def draw_reliability(panel, records: Sequence[Record]) -> None:
    """Accuracy against confidence, and how often each confidence is met.

    Args:
        panel: Figure or subfigure to draw on.
        records: Three, with ``confidence.KIND``, ``accuracy.KIND`` and ``share.KIND [bins]`` for
            the kinds inputs, tempered and merge.
    """
    grid = panel.subplots(2, len(records), sharex=True, sharey="row", height_ratios=[3, 2])
    names = {"inputs": "inputs", "tempered": "inputs, tempered", "merge": "merge"}
    for (top, bottom), record in zip(grid.T, records, strict=True):
        held = record.load_arrays()
        top.plot([0, 1], [0, 1], color=ENDS, lw=0.8, ls=":")
        for kind, label in names.items():
            look = {**_look(kind), "ls": ":" if kind == "tempered" else "-", "lw": 1.5}
            share = held[f"share.{kind}"]
            filled = share > 0
            top.plot(*(held[f"{what}.{kind}"][filled] for what in ("confidence", "accuracy")),
                     label=label, **look)  # fmt: skip
            middle = (np.arange(len(share)) + 0.5) / len(share)
            bottom.plot(middle[filled], share[filled], **look)
        title = _SETTINGS[record.experiment.removeprefix("calibration-")].replace("\n", " ")
        top.text(0.5, 1.03, title, transform=top.transAxes, ha="center", fontsize=8)
        bottom.set(yscale="log", xlabel="confidence")
    grid[0, 0].set_ylabel("accuracy (share)")
    grid[1, 0].set_ylabel("samples (share)")
    legend_below(panel, grid[0, 0])


def draw_errors(panel, records: Sequence[Record]) -> None:
    """Calibration errors of single networks and of what is made from them, in every setting.

    Args:
        panel: Figure or subfigure to draw on.
        records: ``calibration-SETTING`` with ``error.KIND [sets networks]``.
    """
    axes = panel.subplots()
    kinds = {"inputs": "inputs", "tempered": "inputs, tempered"}
    kinds |= {"merge": "merge", "ensemble": "ensemble"}
    for place, record in enumerate(records):
        held = record.load_arrays()
        for k, (kind, label) in enumerate(kinds.items()):
            values = held[f"error.{kind}"].ravel()
            look = _look(kind) | ({"mfc": "white"} if kind == "ensemble" else {})
            at = np.full(len(values), place + 0.2 * (k - 1.5))
            axes.plot(at, values, ls="none", label=label if place == 0 else None, **look)
    titles = [_SETTINGS[record.experiment.removeprefix("calibration-")] for record in records]
    axes.set_xticks(range(len(records)), titles, fontsize=8)
    axes.set_ylabel("calibration error")
    axes.set_ylim(0, None)
    panel.legend(loc="outside lower center", ncols=len(kinds), fontsize=8)
