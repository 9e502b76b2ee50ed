"""Figures of the chapter on inr2vec: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onebasin import registry
from onebasin.plotting.inrs import project
from onebasin.plotting.style import SEQUENTIAL, method_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onebasin.records import Record

_BLACK, _GREY, _BLUE, _RUST = "#000000", "#8C8C8C", "#005A9C", "#B23A00"
_ROWS = ("unseen shape", "decoder's cloud", "nearest shape\nof training")
#: The method whose partners are trained, not matched.
HYPER = "hyper-matching"
_PAIRS = ("same", "none", "weight", "sign", "sign + phase", HYPER)


def draw_matrix(panel, records: Sequence[Record]) -> None:
    """Magnitudes of one INR's matrix, as the thesis and as inr2vec lay it out.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``all`` and ``hidden`` ``[rows columns]``, 8 bits each.
    """
    arrays = records[0].load_arrays()
    titles = {"all": "all layers", "hidden": "hidden layers only"}
    for axes, (key, title) in zip(panel.subplots(1, 2), titles.items(), strict=True):
        image = arrays[key]
        axes.imshow(image, cmap=SEQUENTIAL, aspect="auto", interpolation="nearest")
        axes.set_xlabel("column")
        axes.text(0.5, 1.03, title, transform=axes.transAxes, ha="center", fontsize=9)
        axes.grid(False)
    panel.axes[0].set_ylabel("row")


def draw_training(panel, records: Sequence[Record]) -> None:
    """Loss of both encoders against epochs: on what they learn from, and on what they do not see.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``shared``, ``free [epochs]``, ``shared_unseen``, ``free_unseen
            [slices]`` and ``ends [slices]``, the epoch at the end of each slice.
    """
    arrays = records[0].load_arrays()
    axes = panel.subplots()
    looks = (("shared", "one start", _BLUE, "o"), ("free", "a start each", _RUST, "X"))
    for key, label, colour, marker in looks:
        epochs = np.arange(1, len(arrays[key]) + 1)
        axes.plot(epochs, arrays[key], color=colour, lw=1.2, label=f"{label}, training")
        look = {"color": colour, "marker": marker, "ls": "--"}
        axes.plot(arrays["ends"], arrays[f"{key}_unseen"], label=f"{label}, unseen", **look)
    floor = float(records[0].values("floor").mean())
    axes.axhline(floor, color=_GREY, lw=1, ls=":", label="least possible")
    axes.set(xlabel="epoch", ylabel="binary cross-entropy (nats)")
    axes.legend(fontsize=8)


def draw_unseen(panel, records: Sequence[Record]) -> None:
    """Every unseen shape: the decoder's error against that of the nearest training shape.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with the metrics ``decoded`` and ``nearest``, and the arrays
            ``slices`` and ``progress``, the median error after each slice.
    """
    record = records[0]
    left, right = panel.subplots(1, 2)
    decoded, nearest = record.values("decoded"), record.values("nearest")
    ends = (min(decoded.min(), nearest.min()) * 0.8, max(decoded.max(), nearest.max()) * 1.2)
    left.plot(ends, ends, color=_GREY, lw=1)
    left.scatter(nearest, decoded, s=12, color=_BLUE, lw=0)
    left.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    left.set(xlabel="nearest training shape", ylabel="decoder (Chamfer, squared radius)")
    _few_ticks(left.xaxis)
    arrays = record.load_arrays()
    right.plot(arrays["ends"], arrays["progress"], color=_BLUE, marker="o", label="decoder")
    for key, label, dash in (("nearest", "nearest training shape", "--"), ("inr", "INR", ":")):
        right.axhline(np.median(record.values(key)), color=_BLACK, lw=1, ls=dash, label=label)
    right.set(yscale="log", xlabel="epoch", ylabel="median Chamfer (squared radius)")
    right.legend(fontsize=8)


def draw_gallery(panel, records: Sequence[Record]) -> None:
    """Unseen shapes beside what the decoder makes of them and what retrieval would have given.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``targets`` and ``nearest [shapes pixels pixels]`` (8 bits) and
            ``points [shapes points 3]``.
    """
    arrays = records[0].load_arrays()
    count = len(arrays["targets"])
    grid = panel.subplots(3, count, squeeze=False)
    for column in range(count):
        for row, key in ((0, "targets"), (2, "nearest")):
            grid[row, column].imshow(arrays[key][column], cmap="gray_r", vmin=0, vmax=255)
        _cloud(grid[1, column], arrays["points"][column])
    for row, text in enumerate(_ROWS):
        grid[row, 0].set_ylabel(text, fontsize=8)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(False)
        for side in axes.spines.values():
            side.set_visible(False)


def draw_distances(panel, records: Sequence[Record]) -> None:
    """Distance of embeddings and error of decoded clouds for every kind of pair, shape by shape.

    Args:
        panel: Figure or subfigure to draw on.
        records: One for each method, with the metrics ``distance`` and ``decoded``.
    """
    held = {record.method: record for record in records}
    present = [name for name in _PAIRS if name in held]
    top, low = panel.subplots(1, 2, sharey=True)
    for axes, key in ((top, "distance"), (low, "decoded")):
        for row, name in enumerate(reversed(present)):
            look = method_style(name)
            values = held[name].values(key)
            axes.plot(values, np.full(len(values), row), ls="", alpha=0.6, **_marks(look))
            axes.plot([values.mean()] * 2, [row - 0.35, row + 0.35], color=look["color"], lw=2)
        axes.set_ylim(-0.6, len(present) - 0.4)
    names = ["different starts" if name == "none" else registry.get(name).label for name in present]
    top.set_yticks(range(len(present)), names[::-1])
    top.set_xlabel("distance of embeddings")
    low.set(xscale="log", xlabel="Chamfer, decoded (squared radius)")
    _few_ticks(low.xaxis)


def draw_shares(panel, records: Sequence[Record]) -> None:
    """Parts of the variance of embeddings and of weights due to shape and to start.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with the array ``shares [kinds parts]`` and ``kinds``.
    """
    arrays = records[0].load_arrays()
    axes = panel.subplots()
    rows = np.arange(len(arrays["kinds"]))[::-1]
    left = np.zeros(len(rows))
    colours = (_BLUE, _RUST, "#C8C8C8")
    for part, label, colour in zip(range(3), ("shape", "start", "neither"), colours, strict=True):
        width = arrays["shares"][:, part]
        axes.barh(rows, width, left=left, color=colour, height=0.6, label=label)
        left = left + width
    axes.set_yticks(rows, arrays["kinds"])
    axes.set(xlim=(0, 1), xlabel="part of the variance")
    panel.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)


def _few_ticks(axis) -> None:
    """Label 1, 2 and 5 of every decade of a logarithmic axis, and nothing between."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _marks(look: dict) -> dict:
    return {"color": look["color"], "marker": look["marker"] or "o", "ms": 4}


def _cloud(axes: Axes, points: np.ndarray) -> None:
    seen = project(points)
    order = np.argsort(seen[:, 2])
    axes.scatter(seen[order, 0], seen[order, 1], s=0.6, lw=0, c=_BLUE)
    axes.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
