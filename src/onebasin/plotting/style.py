"""The one look of every figure: style, methods, bands, cuts, stamps, and repeatable files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from onebasin import registry

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

SIZE = (6.4, 4.0)  # inches
MARK_LIMIT = 2000  # above it a figure is stored as pixels
SEQUENTIAL, DIVERGING = "cividis", "PuOr"
ENDS = "#000000"  # end points and single models
_GREY = "#595959"

RC: Any = {
    "figure.figsize": SIZE,
    "figure.facecolor": "white",
    "figure.dpi": 100,
    "savefig.facecolor": "white",
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "axes.facecolor": "white",
    "axes.edgecolor": _GREY,
    "axes.labelsize": 10,
    "axes.titlesize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "image.cmap": SEQUENTIAL,
    "svg.hashsalt": "onebasin",
    "svg.fonttype": "path",
    "path.simplify": True,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the book's style, whatever the user's own settings are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def method_style(name: str, **changes: Any) -> dict[str, Any]:
    """Keywords for ``Axes.plot`` that show a method as everywhere: colour, marker and dash.

    Args:
        name: Registry name.
        changes: Keywords that replace or join these.

    Raises:
        InputError: if the method is not registered.
    """
    method = registry.get(name)
    look: dict[str, Any] = {
        "color": method.colour,
        "linestyle": method.dash,
        "label": method.label,
        "marker": method.marker or None,
    }
    if method.hollow:
        look["markerfacecolor"] = "white"
    return {**look, **changes}


def band(axes: Axes, x: np.ndarray, lo: np.ndarray, hi: np.ndarray, colour: str) -> None:
    """Shade an interval in a colour; name level and n in the caption."""
    axes.fill_between(x, lo, hi, color=colour, alpha=0.18, linewidth=0)


def cut_mark(axes: Axes, axis: str = "y") -> None:
    """Mark that an axis does not start at zero: two small strokes where it begins."""
    along = np.array([-0.012, 0.012])
    for offset in (0.02, 0.04):
        across = offset + along / 2
        x, y = (along, across) if axis == "y" else (across, along)
        axes.plot(x, y, transform=axes.transAxes, color=_GREY, linewidth=1, clip_on=False)


def legend_below(panel: FigureBase, axes: Axes, ncols: int | None = None) -> None:
    """One legend for a whole panel, under it, of what one of its axes shows; by default a row."""
    handles, labels = axes.get_legend_handles_labels()
    ncols = ncols or max(1, len(labels))
    panel.legend(handles, labels, loc="outside lower center", ncols=ncols, fontsize=8)


def stamp(panel: FigureBase, text: str) -> None:
    """Write profile and device small into the upper right corner; the layout leaves room for it."""
    panel.suptitle(text, x=0.995, ha="right", fontsize=7, color=_GREY)


def count_marks(figure: Figure) -> int:
    """How many single marks a drawn figure holds: vertices, scattered points, cells, faces."""
    from matplotlib.collections import QuadMesh

    total = 0
    for axes in figure.get_axes():
        total += sum(len(np.atleast_1d(line.get_xdata())) for line in axes.lines)
        for collection in axes.collections:
            points = len(np.atleast_2d(collection.get_offsets()))
            cells = collection.get_array() if isinstance(collection, QuadMesh) else None
            faces = 0 if cells is None else int(cells.size)
            total += max(points, len(collection.get_paths()), faces)
    return total


def render(figure: Figure) -> tuple[str, bytes]:
    """A figure as a file whose bytes depend on nothing but the figure.

    Returns:
        ``"image/svg+xml"`` and the SVG, or ``"image/png"`` and the PNG above 2,000 marks.
    """
    buffer = io.BytesIO()
    with styled():
        figure.draw_without_rendering()  # faces of surfaces are known only then
        if count_marks(figure) > MARK_LIMIT:
            figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
            return "image/png", buffer.getvalue()
        clean = {"Date": None, "Creator": None}
        figure.savefig(buffer, format="svg", metadata=clean)
    return "image/svg+xml", buffer.getvalue()
