"""Figures of the chapter on scalings: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin.plotting.style import band, method_style

if TYPE_CHECKING:
    from onebasin.records import Record

_SHADES = ("#7C7B78", "#414D6B", "#00224E")  # cividis, light to dark, for growing spreads
_MARKERS = ("o", "s", "^")


def draw_path(panel, records: Sequence[Record]) -> None:
    """Change of the function on the line between a network and its own rescaled copy.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``change [spreads seeds lambdas]``, ``spreads`` and ``lambdas``.
    """
    arrays = records[0].load_arrays()
    axes = panel.subplots()
    for k, spread in enumerate(arrays["spreads"]):
        curves, x = arrays["change"][k], arrays["lambdas"]
        axes.plot(x, curves.T, color=_SHADES[k], lw=0.6, alpha=0.5)
        look = {"color": _SHADES[k], "marker": _MARKERS[k], "label": f"{spread:g}"}
        axes.plot(x, curves.mean(0), **look)
    axes.set(xlabel=r"position on the path $\lambda$", ylabel="relative change of the output")
    axes.set_ylim(bottom=0)
    axes.legend(title="spread of the scales", loc="center left", bbox_to_anchor=(1.0, 0.5))


def draw_order(panel, records: Sequence[Record]) -> None:
    """Units that are put right, and distance left, for both orders of the two steps.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``spreads``, ``recovered`` and ``distance``
            (``[2 spreads seeds]``, aligned first and canonical first).
    """
    arrays = records[0].load_arrays()
    looks = (
        method_style(
            "weight", linestyle=":", markerfacecolor="white", label="aligned first (printed)"
        ),
        method_style("weight", label="canonical form first"),
    )
    left, right = panel.subplots(1, 2)
    for axes, name, label in (
        (left, "recovered", "share of units put right"),
        (right, "distance", "relative distance left"),
    ):
        for values, look in zip(arrays[name], looks, strict=True):
            mean, error = values.mean(1), values.std(1, ddof=1) / np.sqrt(values.shape[1])
            band(axes, arrays["spreads"], mean - 1.96 * error, mean + 1.96 * error, look["color"])
            axes.plot(arrays["spreads"], mean, **look)
        axes.set(xlabel="spread of the scales", ylabel=label, ylim=(-0.05, None))
    handles, names = left.get_legend_handles_labels()
    panel.legend(handles, names, loc="outside lower center", ncols=2)
