"""Figures of the chapter on the assignment problems: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin.plotting.style import method_style

if TYPE_CHECKING:
    from onebasin.records import Record

_BLACK, _GREY, _RED = "#000000", "#8C8C8C", "#B23A00"

#: Factors that suffice: as printed, the root of the proof's inequality, and with two moved rows.
BOUNDS = ((5.0, "printed: 5"), (2 + 6**0.5, r"$2+\sqrt{6}$"), (1 + 2**0.5, r"$1+\sqrt{2}$"))


def draw_climb(panel, records: Sequence[Record]) -> None:
    """How one pair climbs in several orders, and where descents of many pairs end.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``climbs [orders steps]`` (share of the best, NaN after the end)
            and the metrics ``hidden_1``, ``hidden_2``, ... (share reached by each pair).
    """
    look = method_style("weight", label=None, marker=None, lw=1.2, alpha=0.8)
    left, right = panel.subplots(1, 2, sharey=True, width_ratios=[3, 2])
    for curve in records[0].load_arrays()["climbs"]:
        left.plot(curve, **look)
        last = np.flatnonzero(np.isfinite(curve))[-1]
        left.plot(last, curve[last], marker="o", ms=5, color=look["color"])
    left.set(xlabel="steps (one layer each)", ylabel="objective: 0 average, 1 best")
    names = sorted(name for name in records[0].metrics if name.startswith("hidden_"))
    for place, name in enumerate(names, start=1):
        values = np.sort(records[0].values(name))
        spread = np.linspace(-0.3, 0.3, len(values))
        right.scatter(place + spread, values, s=9, color=look["color"])
        best = np.mean(values > 1 - 1e-9)
        right.text(place, 1.04, f"{best:.0%}", ha="center", va="bottom")
    right.set(xlabel="hidden layers", xticks=range(1, len(names) + 1))
    right.set_xlim(0.5, len(names) + 0.5)
    left.set_ylim(top=1.18)
    left.xaxis.get_major_locator().set_params(integer=True)
    for axes in (left, right):
        axes.axhline(1, color=_BLACK, lw=1, ls="--", zorder=0)


def draw_bound(panel, records: Sequence[Record]) -> None:
    """The factor that each enumerated instance needs, beside those that the proof asks for.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with the metrics ``need_2``, ``need_3``, ... (one factor per instance).
    """
    axes = panel.subplots()
    names = sorted(records[0].metrics)
    names = [name for name in names if name.startswith("need_")]
    for name in names:
        values = np.sort(records[0].values(name))
        spread = np.linspace(-0.3, 0.3, len(values))
        axes.scatter(int(name[5:]) + spread, values, s=12, color=_BLACK)
    for (height, label), dash in zip(BOUNDS, ("-", "--", ":"), strict=True):
        axes.axhline(height, color=_RED, lw=1.5, ls=dash)
        axes.text(len(names) + 1.62, height, label, va="center")
    axes.set(xlabel="size $d$", ylabel=r"factor $\lambda / (d\,\alpha)$", ylim=(0, 5.4))
    axes.set(xticks=range(2, len(names) + 2), xlim=(1.5, len(names) + 1.55))


def draw_merge(panel, records: Sequence[Record]) -> None:
    """The sum of pairwise inner products while many networks are aligned, in turn and at once.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``in_turn`` and ``at_once`` (``[runs rounds]``, shares of the sum
            of squared norms, NaN after the end).
    """
    arrays = records[0].load_arrays()
    left, right = panel.subplots(1, 2, sharey=True)
    for axes, name, colour, label in (
        (left, "in_turn", "#B5568C", "one network after another"),
        (right, "at_once", _GREY, "all networks at once"),
    ):
        for curve in arrays[name]:
            axes.plot(curve, color=colour, lw=1.2, alpha=0.8)
            if name == "in_turn":
                last = np.flatnonzero(np.isfinite(curve))[-1]
                axes.plot(last, curve[last], marker="^", ms=5, color=colour)
        axes.set(xlabel=f"rounds, {label}")
    left.set(ylabel="mean cosine between the networks")


def padded(curves: Sequence[Sequence[float]]) -> np.ndarray:
    """Curves of different lengths as one float32 array, NaN after each one's end."""
    length = max(len(curve) for curve in curves)
    whole = np.full((len(curves), length), np.nan, dtype=np.float32)
    for row, curve in zip(whole, curves, strict=True):
        row[: len(curve)] = curve
    return whole
