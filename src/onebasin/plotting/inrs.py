"""Figures of the chapter on fitting INRs: each is drawn from records alone.

Records hold no coordinates of a data set's shapes: what was to be fitted is kept as small pictures,
and points are those an INR gave back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin.plotting.style import SEQUENTIAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from plotly.graph_objects import Figure as PlotlyFigure

    from onebasin.records import Record

_BLACK, _GREY, _BLUE, _GOLD = "#000000", "#8C8C8C", "#005A9C", "#BF8400"
_VIEW = (-0.65, 0.45)  # turn about the vertical and tilt, radians
_FAR = 0.03  # distance at which the error's colours end
_ROWS = ("target", "label,\nslice", "INR,\nslice", "cloud\nread back")


def project(points: np.ndarray, view: tuple[float, float] = _VIEW) -> np.ndarray:
    """Orthographic view of points: across, up, and towards the viewer.

    Args:
        points: ``[points 3]``, z up.
        view: Turn about the vertical axis and tilt of the camera, radians.
    """
    turn, tilt = view
    x, y, z = np.asarray(points, dtype=np.float64).T
    across = np.cos(turn) * x - np.sin(turn) * y
    depth = np.sin(turn) * x + np.cos(turn) * y
    up = np.cos(tilt) * z + np.sin(tilt) * depth
    return np.stack([across, up, np.sin(tilt) * z - np.cos(tilt) * depth], axis=1)


def picture(points: np.ndarray, pixels: int = 96) -> np.ndarray:
    """A small picture of a cloud in the unit ball, ``[pixels pixels]`` of 8 bits.

    0 is empty; from 40 up, brighter is nearer. It shows a shape without giving its points away.
    """
    across, up, near = project(points).T
    column, row = (
        np.clip(((value + 1) / 2 * pixels).astype(int), 0, pixels - 1) for value in (across, -up)
    )
    image = np.zeros((pixels, pixels), dtype=np.uint8)
    shade = (40 + 215 * np.clip((near + 1) / 2, 0, 1)).astype(np.uint8)
    np.maximum.at(image, (row, column), shade)
    return image


def draw_gallery(panel, records: Sequence[Record]) -> None:
    """Target, label and INR on a slice, and the cloud read back, one column for each shape.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``names``, ``pictures [shapes pixels pixels]``, ``labels`` and
            ``answers [shapes pixels pixels]`` (8 bits for [0, 1]), ``points [shapes points 3]``
            and ``errors [shapes points]`` (distance to the surface).
    """
    arrays = records[0].load_arrays()
    names = arrays["names"]
    grid = panel.subplots(4, len(names), squeeze=False)
    for column, name in enumerate(names):
        target, label, answer, cloud = grid[:, column]
        target.imshow(arrays["pictures"][column], cmap="gray_r", vmin=0, vmax=255)
        for axes, key in ((label, "labels"), (answer, "answers")):
            axes.imshow(arrays[key][column], cmap=SEQUENTIAL, vmin=0, vmax=255, origin="lower")
        marks = _cloud(cloud, arrays["points"][column], arrays["errors"][column])
        target.set_title(str(name).replace("_", " "), fontsize=8)
    for row, text in enumerate(_ROWS):
        grid[row, 0].set_ylabel(text, fontsize=8)
    for axes in grid.flat:
        _bare(axes)
    bar = panel.colorbar(marks, ax=list(grid.flat), shrink=0.5, pad=0.02)
    bar.set_label("distance to the surface (radius)", fontsize=8)


def draw_view(panel, records: Sequence[Record]) -> None:
    """Three views of one cloud read back: the static twin of :func:`view`."""
    arrays = records[0].load_arrays()
    sides = (("from the front", (-0.5, 0.35)), ("from the side", (1.07, 0.35)), ("top", (0, 1.57)))
    for axes, (name, view) in zip(panel.subplots(1, 3), sides, strict=True):
        marks = _cloud(axes, arrays["points"][0], arrays["errors"][0], view=view, size=1.5)
        axes.set_xlabel(name)
        _bare(axes)
    bar = panel.colorbar(marks, ax=panel.axes, shrink=0.7, pad=0.02)
    bar.set_label("distance to the surface (radius)")


def view(records: Sequence[Record]) -> PlotlyFigure:
    """The same cloud to turn with the pointer: the points an INR gave back, coloured by error."""
    import plotly.graph_objects as go

    arrays = records[0].load_arrays()
    x, y, z = arrays["points"][0].astype(np.float32).T.round(3)
    # Below the scene, where a phone has room for it.
    bar = {"title": {"text": "distance to the surface (radius)", "side": "top"}, "thickness": 10}
    bar |= {"orientation": "h", "y": 0, "yanchor": "top", "len": 0.9, "nticks": 4}
    colours = {
        "color": arrays["errors"][0].astype(np.float32).round(4),
        "colorscale": SEQUENTIAL.capitalize(),
        "cmin": 0,
        "cmax": _FAR,
        "size": 2,
        "colorbar": bar,
    }
    figure = go.Figure(go.Scatter3d(x=x, y=y, z=z, mode="markers", marker=colours))
    hidden = {key: {"visible": False} for key in ("xaxis", "yaxis", "zaxis")}
    scene = {"aspectmode": "data", "camera": {"eye": {"x": 1.1, "y": -1.3, "z": 0.7}}, **hidden}
    margin = {**dict.fromkeys("lrt", 0), "b": 70}
    figure.update_layout(scene=scene, margin=margin, height=460, showlegend=False)
    figure.update_traces(hovertemplate="distance %{marker.color:.4f}<extra></extra>")
    return figure


def draw_training(panel, records: Sequence[Record]) -> None:
    """Loss against step for every shape, and the least any answer could have.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``steps``, ``loss [steps shapes]`` and the metric ``floor``.
    """
    arrays = records[0].load_arrays()
    axes = panel.subplots()
    floor = records[0].values("floor")
    axes.axhspan(floor.min(), floor.max(), color="#E4E4E4", lw=0, label="least possible")
    axes.plot(arrays["steps"], arrays["loss"], color=_BLACK, lw=0.7, alpha=0.5)
    mean = arrays["loss"].mean(axis=1)
    axes.plot(arrays["steps"], mean, color=_BLACK, label="mean over shapes")
    axes.set(xlabel="step of Adam", ylabel="binary cross-entropy (nats)")
    axes.legend()


def draw_accuracy(panel, records: Sequence[Record]) -> None:
    """Chamfer distance of each cloud read back: to its own shape, and to what it is judged by.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with the array ``labels_of`` (name of every shape) and the metrics
            ``chamfer``, ``sampling`` and ``other``.
    """
    record = records[0]
    names = [str(name).replace("_", " ") for name in record.load_arrays()["labels_of"]]
    axes = panel.subplots()
    rows = np.arange(len(names))[::-1]
    looks = (
        ("sampling", "two samples of the shape", _GREY, "o", "white"),
        ("chamfer", "INR and the cloud it was fitted to", _BLUE, "o", _BLUE),
        ("other", "INR and other shapes", _GOLD, "s", _GOLD),
    )
    for key, label, edge, marker, fill in looks:
        look = {"edgecolors": edge, "facecolors": fill, "marker": marker, "zorder": 3}
        axes.scatter(record.values(key), rows, label=label, **look)
    axes.set(xscale="log", xlabel="Chamfer distance (squared radius)")
    axes.set_yticks(rows, names, fontsize=9 if len(names) < 20 else 5)
    axes.set_ylim(-0.6, len(names) - 0.4)
    panel.legend(loc="outside lower center", ncols=3, fontsize=8, columnspacing=1.0)


def _cloud(axes: Axes, points: np.ndarray, errors: np.ndarray, view=_VIEW, size: float = 0.4):
    seen = project(points, view)
    order = np.argsort(seen[:, 2])  # far points first
    look = {"c": errors[order].astype(np.float64), "cmap": SEQUENTIAL, "vmin": 0, "vmax": _FAR}
    marks = axes.scatter(seen[order, 0], seen[order, 1], s=size, lw=0, **look)
    axes.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
    return marks


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)
