"""Figures of the chapter on width: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin.plotting.style import ENDS, method_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onebasin.records import Record

_POLICIES = ("none", "reset", "repair")
_NOTHING = 0.01  # nats; a mean barrier below it counts as this much
_UPRIGHT = 4  # labels that find room side by side
_START, _END = "#BF8400", "#005A9C"


def draw_widths(panel, records: Sequence[Record]) -> None:
    """Barrier against width with and without matching, and the agreement of matched weights.

    Args:
        panel: Figure or subfigure to draw on.
        records: For none and weight, with ``widths``, ``barrier [widths pairs orders]`` and
            ``start``, ``end [widths pairs]`` and ``chance [widths]``.
    """
    left, right = panel.subplots(1, 2)
    arrays = {record.method: record.load_arrays() for record in records}
    widths = arrays["weight"]["widths"]
    places = np.log2(widths)
    for method in ("none", "weight"):
        heights, look = arrays[method]["barrier"], method_style(method)
        left.plot(places, heights.mean((1, 2)), **look)
        _points(left, places, heights.reshape(len(widths), -1), look["color"])
    for name, colour, marker, label in (
        ("start", _START, "s", "before training"),
        ("end", _END, "o", "after training"),
    ):
        values = arrays["weight"][name]
        right.plot(places, values.mean(1), color=colour, marker=marker, label=label)
        _points(right, places, values, colour)
    right.plot(
        places, arrays["weight"]["chance"], color=ENDS, ls=":", lw=1.2, label="best of chance"
    )
    for axes, label in ((left, "barrier (nats)"), (right, "cosine of matched weights")):
        _over_widths(axes, widths, label)
        axes.legend(fontsize=8)


def draw_spread(panel, records: Sequence[Record]) -> None:
    """Spread of the matched barrier over orders and over pairs, against the width.

    Args:
        panel: Figure or subfigure to draw on.
        records: As for :func:`draw_widths`.
    """
    arrays = next(record for record in records if record.method == "weight").load_arrays()
    heights, widths = arrays["barrier"], arrays["widths"]
    means = heights.mean(2)
    mean = np.maximum(means.mean(1), _NOTHING)
    orders = heights.std(2, ddof=1).mean(1) / mean
    pairs = means.std(1, ddof=1) / mean
    axes, look = panel.subplots(), method_style("weight")
    axes.plot(np.log2(widths), orders, **{**look, "label": "over orders of the layers"})
    dotted = {"color": ENDS, "marker": "s", "ls": "--", "label": "over pairs of networks"}
    axes.plot(np.log2(widths), pairs, **dotted)
    _over_widths(axes, widths, "spread / mean barrier")
    axes.legend(fontsize=8)


def draw_convolutional(panel, records: Sequence[Record]) -> None:
    """Barrier of every network and policy, as trained and matched; gaps where none was trained.

    Args:
        panel: Figure or subfigure to draw on.
        records: For none and weight, with ``names`` and
            ``barrier [networks policies pairs orders]`` (nan where there is none).
    """
    axes = panel.subplots()
    arrays = {record.method: record.load_arrays() for record in records}
    names = [str(name) for name in arrays["weight"]["names"]]
    for row in range(len(names)):
        _network(axes, row, arrays["none"]["barrier"][row], arrays["weight"]["barrier"][row])
    turned = {"rotation": 40, "ha": "right"} if len(names) > _UPRIGHT else {}
    axes.set_xticks(np.arange(len(names)), names, fontsize=7, **turned)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.margins(y=0.1)
    axes.set_ylim(0, None)
    axes.set_ylabel("barrier (nats)")
    axes.grid(visible=False, axis="x")
    shown = {method: method_style(method) for method in ("none", "weight")}
    dash = {"color": shown["none"]["color"], "marker": "_", "ls": "none", "ms": 12}
    point = {"color": shown["weight"]["color"], "marker": "o", "ls": "none"}
    axes.plot([], [], label=shown["none"]["label"], **dash)
    axes.plot([], [], label=shown["weight"]["label"], **point)
    panel.legend(loc="outside lower center", ncols=2, fontsize=8)


def _network(axes: Axes, row: int, plain: np.ndarray, matched: np.ndarray) -> None:
    """One group of columns: a column for each policy that was tried."""
    tried = [k for k in range(len(_POLICIES)) if np.isfinite(matched[k]).any()]
    if not tried:
        axes.text(
            row, 0.5, "not run", transform=axes.get_xaxis_transform(), ha="center", fontsize=8
        )
        return
    grey, blue = (method_style(method)["color"] for method in ("none", "weight"))
    for at, k in enumerate(tried):
        x = row + 0.27 * (at - (len(tried) - 1) / 2)
        before, after = (values[np.isfinite(values)] for values in (plain[k], matched[k]))
        axes.plot([x] * len(before), before, color=grey, marker="_", ls="none", ms=12, mew=1.5)
        axes.plot([x] * len(after), after, color=blue, marker="o", ls="none", ms=4, alpha=0.7)
        if len(tried) > 1:
            axes.annotate(_POLICIES[k], (x, max(before.max(), after.max())), (0, 4),
                          textcoords="offset points", ha="center", fontsize=7)  # fmt: skip


def _points(axes: Axes, places: np.ndarray, values: np.ndarray, colour: str) -> None:
    axes.plot(places, values, color=colour, ls="none", marker=".", ms=4, alpha=0.4)


def _over_widths(axes: Axes, widths: np.ndarray, label: str) -> None:
    axes.set_xticks(np.log2(widths), [str(width) for width in widths])
    axes.set_xlabel("units of each hidden layer")
    axes.set_ylabel(label)
    axes.set_ylim(0, None)
