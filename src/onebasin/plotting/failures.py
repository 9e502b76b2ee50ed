"""Figures of the chapter on failures: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from onebasin.plotting.style import ENDS, SEQUENTIAL, legend_below, method_style

if TYPE_CHECKING:
    from onebasin.records import Record

_MARK = 0.2  # nats; the row calls more than that a failure
_LOUD = 2.0  # times the plain barrier; what is higher stands there
_MOST = 5.0  # nats; what is higher stands at the edge of the figure
_FLAT = 1e-9  # nats; changes of the loss below that are drawn to scale, larger ones by their size
_STEEPEST = "#B5568C"
_NARROW = "too narrow"  # the one setting of another width
_MARKERS = ("o", "s", "^", "D", "v", "P")


def draw_settings(panel, records: Sequence[Record]) -> None:
    """Barrier in every setting with and without matching, and the loss of the ends.

    Args:
        panel: Figure or subfigure to draw on.
        records: For none and weight, with ``names``, ``listed``, ``fails``, ``ends [settings
            pairs]`` and ``barrier [settings pairs orders]`` (nan where there are fewer pairs).
    """
    left, right = panel.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    arrays = {record.method: record.load_arrays() for record in records}
    held = arrays["weight"]
    places = -np.arange(len(held["names"]), dtype=float)
    looks = {"none": {"marker": "|", "ms": 12, "mew": 1.5}, "weight": {"marker": "o", "ms": 4}}
    for method, look in looks.items():
        style = method_style(method)
        for place, values in zip(places, arrays[method]["barrier"], strict=True):
            heights = values[np.isfinite(values)]
            far = heights > _MOST
            if far.any():
                left.plot([_MOST] * int(far.sum()), [place] * int(far.sum()), color=style["color"],
                          ls="none", marker=">", ms=6, zorder=3)  # fmt: skip
            heights = heights[~far]
            label = style["label"] if place == 0 else None
            left.plot(heights, [place] * len(heights), color=style["color"], ls="none",
                      alpha=0.8, label=label, **look)  # fmt: skip
    for place, failed in zip(places, held["fails"], strict=True):
        if failed:
            left.text(
                1.0, place, "×", transform=left.get_yaxis_transform(), ha="right", va="center"
            )
    left.axvline(_MARK, color=ENDS, ls=":", lw=0.8)
    right.plot(held["ends"], places, color=ENDS, ls="none", marker="o", ms=4)
    left.set_yticks(places, [str(name) for name in held["names"]])
    for text, listed in zip(left.get_yticklabels(), held["listed"], strict=True):
        text.set_fontweight("bold" if listed else "normal")
    left.set_xlabel("barrier (nats)")
    right.set_xlabel("their loss (nats)")
    for axes in (left, right):
        axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    legend_below(panel, left, ncols=2)


def draw_gone(panel, records: Sequence[Record]) -> None:
    """Share of the barrier left after matching, against the distance gone from the start.

    Args:
        panel: Figure or subfigure to draw on.
        records: One, with ``names`` and ``points [settings epochs 2]``: distance gone and share
            left (nan where the plain barrier is next to nothing).
    """
    from matplotlib import colormaps

    axes, held = panel.subplots(), records[0].load_arrays()
    shades = colormaps[SEQUENTIAL](np.linspace(0, 0.85, len(held["names"])))
    rows = zip(held["names"], held["points"], shades, strict=True)
    for (name, points, shade), marker in zip(rows, cycle(_MARKERS), strict=False):
        x, y = points[np.isfinite(points).all(1)].T
        narrow = name == _NARROW
        look = {"color": ENDS if narrow else shade, "ls": "--" if narrow else "-", "lw": 1}
        axes.plot(x, np.minimum(y, _LOUD), marker=marker, ms=5, label=str(name), **look)
    axes.set_xscale("log")
    axes.set_ylim(0, None)
    axes.set_xlabel("distance from the first weights (their lengths)")
    axes.set_ylabel("matched / plain barrier")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def draw_steepest(panel, records: Sequence[Record]) -> None:
    """Loss along the whole way, and its change near the start.

    Args:
        panel: Figure or subfigure to draw on.
        records: One, with ``lambdas``, ``near`` (places close to the start) and, for the ways
            ``none``, ``weight`` and ``steepest``, ``NAME [pairs lambdas]`` and ``NAME_near [pairs
            near]``, the latter minus the loss at the start.
    """
    left, right = panel.subplots(1, 2)
    held = records[0].load_arrays()
    looks = {name: method_style(name, marker=None) for name in ("none", "weight")}
    looks["steepest"] = {"color": _STEEPEST, "ls": "-.", "label": "steepest descent"}
    for name, look in looks.items():
        thin = {"color": look["color"], "lw": 0.5, "alpha": 0.5}
        for axes, x, key in ((left, "lambdas", name), (right, "near", f"{name}_near")):
            axes.plot(held[x], held[key].T, **thin)
            axes.plot(held[x], held[key].mean(0), **look)
    right.axhline(0, color=ENDS, lw=0.8, ls=":")
    low = min(held[f"{name}_near"].min() for name in looks)
    right.set_yscale("symlog", linthresh=_FLAT)
    right.set_yticks([-1e-2, -1e-5, -1e-8, 0, 1e-8, 1e-5, 1e-2])
    if low < 0:
        right.set_ylim(10 * low, -10 * low)
    left.set(xlabel="position $\\lambda$", ylabel="training loss (nats)")
    right.set(xlabel="position $\\lambda$", ylabel="change from the start (nats)", xscale="log")
    legend_below(panel, left, ncols=3)
