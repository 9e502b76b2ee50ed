"""Figures of the chapter on the full symmetry of sine units: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin.plotting.style import ENDS, method_style

if TYPE_CHECKING:
    from onebasin.records import Record

_KINDS = {  # kind of teacher: colour (cividis, dark to light), marker
    "generic": ("#00224E", "o"),
    "parallel": ("#575D6D", "s"),
    "no outgoing": ("#8A8678", "^"),
    "no incoming": ("#B8A800", "D"),
}


def draw_orbit(panel, records: Sequence[Record]) -> None:
    """Where the equivalents of one unit lie in the plane of its weight and its phase.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``weight``, ``phase`` (half periods) and ``outgoing`` of every
            equivalent; the first is the unit itself.
    """
    arrays = records[0].load_arrays()
    axes = panel.subplots()
    axes.axvspan(0, 0.5, color="#E4E4E4", linewidth=0, label="canonical strip")
    kept = arrays["outgoing"] * arrays["outgoing"][0] > 0
    base = {"color": "#4010A8", "linestyle": "", "markersize": 8}
    for chosen, face, label in (
        (kept, "#4010A8", "outgoing weight kept"),
        (~kept, "white", "outgoing weight negated"),
    ):
        x, y = arrays["phase"][chosen], arrays["weight"][chosen]
        axes.plot(x, y, marker="o", markerfacecolor=face, label=label, **base)
    axes.plot(
        arrays["phase"][:1],
        arrays["weight"][:1],
        color=ENDS,
        marker="o",
        markersize=14,
        markerfacecolor="none",
        linestyle="",
        label="the unit itself",
    )
    axes.axhline(0, color="#595959", linewidth=0.8)
    axes.set(xlabel="phase of the bias (half periods)", ylabel="incoming weight $w$")
    axes.set_ylim(-1.6, 1.6)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.22), ncols=2)


def draw_search(panel, records: Sequence[Record]) -> None:
    """Students of small teachers: difference of the functions against distance from the orbit.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``error [kinds students]``, ``distance`` of the same shape and
            ``kinds``.
    """
    arrays = records[0].load_arrays()
    axes = panel.subplots()
    kinds = np.array([str(kind) for kind in arrays["kinds"]])
    for kind, (colour, marker) in _KINDS.items():
        error = np.maximum(arrays["error"][kinds == kind].ravel(), 1e-17)
        distance = np.maximum(arrays["distance"][kinds == kind].ravel(), 1e-17)
        look = {"color": colour, "marker": marker, "label": kind, "linestyle": ""}
        axes.plot(error, distance, markersize=4, markerfacecolor="none", **look)
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("relative difference of the functions")
    axes.set_ylabel("distance from the teacher's orbit")
    axes.legend(title="teacher", loc="center left", bbox_to_anchor=(1.0, 0.5))


def draw_barriers(panel, records: Sequence[Record]) -> None:
    """Barrier of every pair by method and weighing, shape by shape.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record for each method, with ``barrier [shapes pairs]`` and ``names``.
    """
    axes = panel.subplots()
    for k, record in enumerate(records):
        arrays = record.load_arrays()
        look = method_style(record.method, linestyle="")
        look["marker"] = look["marker"] or "_"
        heights = arrays["barrier"]
        places = np.arange(len(heights)) + (k - (len(records) - 1) / 2) * 0.16
        axes.plot(np.repeat(places, heights.shape[1]), heights.ravel(), **look)
    names = [str(name).split("/")[-1].replace("_", " ") for name in arrays["names"]]
    axes.set_xticks(range(len(names)), names, rotation=20)
    axes.set(ylabel="barrier (nats)", ylim=(0, None))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def draw_weighing(panel, records: Sequence[Record]) -> None:
    """Barrier after full-group matching against the factor on the biases.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``factors``, ``barrier [factors pairs]`` and the barriers
            ``derived`` and ``measured`` ``[pairs]``.
    """
    arrays = records[0].load_arrays()
    axes = panel.subplots()
    mean = arrays["barrier"].mean(1)
    look = method_style("sign + phase", label="weights plain, biases times the factor")
    axes.plot(arrays["factors"], mean, **look)
    for name, dash, label in (
        ("derived", "--", "weighed by expected inputs"),
        ("measured", ":", "weighed by measured inputs"),
    ):
        axes.axhline(arrays[name].mean(), color=ENDS, linestyle=dash, label=label)
    axes.set(xscale="log", xlabel="factor on the bias term", ylabel="mean barrier (nats)")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.22), ncols=2)
