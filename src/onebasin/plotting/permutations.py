"""Figures of the chapter on permutations: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin.symmetry.counting import ATOMS_LOG10

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onebasin.records import Record
    from onebasin.symmetry.neural import Graph

#: Below this relative change (float64) two outputs count as equal to rounding.
ROUNDING = 1e-12
_FLOOR = 1e-17
_BLACK, _GREY, _BLUE, _RED = "#000000", "#8C8C8C", "#005A9C", "#B23A00"
_COLOURS = ("#005A9C", "#BF8400", "#008A64", "#B5568C", "#B23A00")
_MARKERS = ("o", "s", "D", "^", "x")


def draw_commute(panel, records: Sequence[Record]) -> None:
    """Relative change of the output for every kind of linear map and every activation.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with the array ``change [kinds activations cases]`` and the names
            ``kinds`` and ``activations``.
    """
    arrays = records[0].load_arrays()
    kinds, activations = arrays["kinds"], arrays["activations"]
    change = np.maximum(arrays["change"], _FLOOR)
    axes = panel.subplots()
    axes.axhspan(_FLOOR / 3, ROUNDING, color="#EDEDED", lw=0)
    axes.text(len(kinds) - 0.55, ROUNDING / 3, "equal to rounding", ha="right", va="top")
    for a, name in enumerate(activations):
        offset = (a - (len(activations) - 1) / 2) * 0.15
        for k in range(len(kinds)):
            x = np.full(change.shape[2], k + offset)
            label = str(name) if k == 0 else None
            look = {"color": _COLOURS[a], "marker": _MARKERS[a], "s": 14, "lw": 1, "alpha": 0.6}
            axes.scatter(x, change[k, a], label=label, **look)
    axes.set(yscale="log", ylim=(_FLOOR / 3, 10), ylabel="relative change of the output")
    axes.set_xticks(range(len(kinds)), [str(kind) for kind in kinds])
    axes.legend(title="activation", loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def draw_graphs(panel, records: Sequence[Record]) -> None:
    """A neural graph, a relabelling that keeps it, and one that does not.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``widths``, and for each panel the arrays ``edges_0`` ...,
            ``[edges 4]`` of (layer, unit, layer, unit), and ``labels_0`` ..., the name that each
            hidden vertex carries.
    """
    arrays = records[0].load_arrays()
    titles = (
        "the network",
        "kept: units permuted\nwithin a layer",
        "broken: units exchanged\nacross layers",
    )
    known = {tuple(edge) for edge in arrays["edges_0"].tolist()}
    for axes, k, title in zip(panel.subplots(1, 3), range(3), titles, strict=True):
        _graph(axes, arrays["widths"], arrays[f"edges_{k}"], known)
        _names(axes, arrays["widths"], arrays[f"labels_{k}"])
        axes.set_xlabel(title)


def draw_counts(panel, records: Sequence[Record]) -> None:
    """How many symmetries three architectures have, printed and exact, beside the atoms.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with the arrays ``names``, ``printed``, ``free`` and ``tied``
            (exponents; ``tied`` equals ``free`` where no skip ties channels).
    """
    arrays = records[0].load_arrays()
    axes = panel.subplots()
    rows = np.arange(len(arrays["names"]))[::-1]
    axes.axvline(ATOMS_LOG10, color=_GREY, ls="--")
    axes.text(ATOMS_LOG10 * 1.08, len(rows) - 0.5, "atoms in the\nobservable universe", va="top")
    axes.hlines(rows, 1, arrays["tied"], color="#D9D9D9", lw=1, zorder=0)
    look = {"zorder": 3, "s": 45}
    axes.scatter(arrays["printed"], rows + 0.12, marker="x", color=_RED, label="printed", **look)
    axes.scatter(
        arrays["tied"], rows - 0.12, marker="o", color=_BLUE, label="exact, skips respected", **look
    )
    for row, value, paper in zip(rows, arrays["tied"], arrays["printed"], strict=True):
        axes.text(value, row - 0.33, f"{value:.1f}", ha="center", va="center", color=_BLUE)
        axes.text(paper, row + 0.33, f"{paper}", ha="center", va="center", color=_RED)
    axes.set(xscale="log", xlim=(10, 3e5), ylim=(-0.7, len(rows) - 0.3))
    axes.set_xlabel("exponent $k$ of the number of symmetries, $10^k$")
    axes.set_yticks(rows, [str(name) for name in arrays["names"]])
    axes.legend(loc="center left", bbox_to_anchor=(0.24, 0.12), frameon=False)


def _place(widths: np.ndarray, layer: int, unit: int) -> tuple[float, float]:
    return float(layer), float((widths[layer] - 1) / 2 - unit)


def _graph(axes: Axes, widths: np.ndarray, edges: np.ndarray, known: set) -> None:
    """Edges; those that the network does not have are red and dashed."""
    for edge in map(tuple, edges.tolist()):
        (x0, y0), (x1, y1) = _place(widths, *edge[:2]), _place(widths, *edge[2:])
        good = edge in known
        bend = 0.35 if x0 == x1 else 0.0
        middle = ((x0 + x1) / 2 + bend, (y0 + y1) / 2)
        colour, dash = (_GREY, "-") if good else (_RED, "--")
        axes.plot([x0, middle[0], x1], [y0, middle[1], y1], color=colour, ls=dash, lw=1, zorder=1)
    axes.set(xlim=(-0.5, len(widths) - 0.5), ylim=(-max(widths) / 2 - 0.1, max(widths) / 2 + 0.1))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal")
    for side in axes.spines.values():
        side.set_visible(False)


def _names(axes: Axes, widths: np.ndarray, labels: np.ndarray) -> None:
    """Vertices with their names; inputs and outputs black."""
    hidden = iter(labels.tolist())
    for layer, width in enumerate(widths.tolist()):
        inner = 0 < layer < len(widths) - 1
        for unit in range(width):
            x, y = _place(widths, layer, unit)
            colour = _COLOURS[(layer - 1) % 2 * 2] if inner else _BLACK
            axes.scatter([x], [y], s=190, color=colour, zorder=2)
            name = next(hidden) if inner else ""
            axes.text(x, y, name, color="white", ha="center", va="center", zorder=3, fontsize=8)


def graph_panels(graph: Graph) -> dict[str, np.ndarray]:
    """The arrays of :func:`draw_graphs` for a dense graph with two hidden layers of three units.

    Args:
        graph: The network's neural graph; the panels relabel its first hidden layer cyclically,
            and exchange one unit of the first with one of the second hidden layer.
    """
    plain = {vertex: vertex for vertex in graph.hidden}
    first = [vertex for vertex in graph.hidden if vertex[0] == 1]
    within = plain | dict(zip(first, first[1:] + first[:1], strict=True))
    across = plain | {(1, 0): (2, 0), (2, 0): (1, 0)}
    arrays = {"widths": np.array(graph.widths)}
    for k, mapping in enumerate((plain, within, across)):
        moved = [(mapping.get(a, a), mapping.get(b, b)) for a, b, _ in sorted(graph.edges)]
        arrays[f"edges_{k}"] = np.array([(*a, *b) for a, b in moved if a[0] >= 0])
        came_from = {image: vertex for vertex, image in mapping.items()}
        names = {vertex: n + 1 for n, vertex in enumerate(graph.hidden)}
        arrays[f"labels_{k}"] = np.array([names[came_from[vertex]] for vertex in graph.hidden])
    return arrays
