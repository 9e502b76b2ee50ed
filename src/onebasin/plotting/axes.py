"""Figures of the chapter on any network: what belongs to one group, and what checks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin.symmetry.axes import Concat, Entry, Inner, Product, segments

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onebasin.records import Record
    from onebasin.symmetry.spec import Spec

_FLOOR = 1e-18
_GREY = "#E4E4E4"
_SHADES = ("#005A9C", "#BF8400", "#008A64", "#B23A00", "#B5568C", "#3D9BD4", "#4D4D4D")


def labels(spec: Spec, most: int = 4) -> tuple[list[str], list[list[str]]]:
    """Tensors of a spec and, for each of ``most`` axes, what stands there, as text.

    Segments are separated by ``|``, an axis that stays is ``-``, one that is not there is empty.
    """
    short = {group: f"{k}" for k, group in enumerate(spec.groups)}

    def name(part: Entry | int) -> str:
        if isinstance(part, Product):
            return "×".join(short[f] if isinstance(f, str) else f"({f})" for f in part.factors)
        if isinstance(part, Inner):
            return f"{short[part.group]} inside"
        return short[part] if isinstance(part, str) else f"({part})"

    def text(entry: Entry) -> str:
        parts = segments(entry) if isinstance(entry, Concat) else (entry,)
        return "-" if entry is None else "|".join(map(name, parts))

    rows = [[text(entry) for entry in on] + [""] * (most - len(on)) for on in spec.axes.values()]
    return list(spec.axes), rows


def draw_axes(panel, records: Sequence[Record]) -> None:
    """Every axis of every tensor, coloured by group; grey where it stays.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``tensors`` and ``entries [tensors axes]`` of :func:`labels`.
    """
    arrays = records[0].load_arrays()
    names, entries = arrays["tensors"], arrays["entries"]
    axes = panel.subplots()
    for row, texts in enumerate(entries):
        for column, text in enumerate(map(str, texts)):
            if text:
                _cell(axes, row, column, text)
    axes.set(xlim=(-0.5, entries.shape[1] - 0.5), ylim=(len(names) - 0.5, -0.5))
    axes.set_yticks(range(len(names)), [str(name) for name in names])
    axes.set_xticks(range(entries.shape[1]), [f"axis {k}" for k in range(entries.shape[1])])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)


def draw_checks(panel, records: Sequence[Record]) -> None:
    """Relative change of the outputs for elements of the derived spec, and for wrong moves.

    A change of exactly zero is drawn at the lower edge.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``names``, ``error``, ``fresh`` and ``control`` ``[networks]``
            and ``broken [networks wrong]``.
    """
    arrays = records[0].load_arrays()
    axes, x = panel.subplots(), np.arange(len(arrays["names"]))
    for row in arrays["broken"].T:
        axes.plot(x, np.maximum(row, _FLOOR), "x", color="#B23A00", ms=5)
    axes.plot([], [], "x", color="#B23A00", label="one axis forgotten")
    looks = (
        ("control", "^", "#BF8400", "one axis of each group moved"),
        ("fresh", "s", "#3D9BD4", "elements, fresh weights and inputs"),
        ("error", "o", "#005A9C", "elements"),
    )
    for name, marker, colour, label in looks:
        axes.plot(x, np.maximum(arrays[name], _FLOOR), marker, color=colour, ms=5, label=label)
    axes.axhline(1e-9, color="#4D4D4D", lw=1, ls=":")
    axes.set(yscale="log", ylim=(_FLOOR / 3, 1e3), ylabel="relative change of the output")
    axes.set_xticks(x, [str(name) for name in arrays["names"]], rotation=60, ha="right")
    panel.legend(loc="outside lower center", ncols=2, frameon=False)


def _cell(axes: Axes, row: int, column: int, text: str) -> None:
    from matplotlib.patches import Rectangle

    parts = text.split("|")
    for k, part in enumerate(parts):
        width = 0.92 / len(parts)
        left = column - 0.46 + k * width
        digits = part.split("×")[0].split(" ")[0]
        moves = digits.isdigit()
        colour = _SHADES[int(digits) % len(_SHADES)] if moves else _GREY
        box = Rectangle((left, row - 0.4), width, 0.8, facecolor=colour, edgecolor="white")
        axes.add_patch(box)
        ink = "white" if moves else "black"
        shown = "" if part == "-" else part
        axes.text(left + width / 2, row, shown, ha="center", va="center", color=ink, fontsize=8)
