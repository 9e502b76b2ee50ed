"""Figures of the chapter on the counterexample: each is drawn from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from onebasin.networks import counterexample, pieces

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onebasin.records import Record

#: The four permutations in the order of :func:`onebasin.networks.counterexample.permutations`.
NAMES = ("no layer swapped", "second swapped", "first swapped", "both swapped")
_LOOKS = (
    {"color": "#000000", "ls": "-", "marker": "o", "ms": 7, "mfc": "none"},
    {"color": "#8C8C8C", "ls": "--", "marker": "s", "ms": 3},
    {"color": "#B23A00", "ls": "-", "marker": "^", "ms": 5},
    {"color": "#005A9C", "ls": "-.", "marker": "v", "ms": 5},
)
#: Columns of the grid of maps, as positions on the path of 24 steps.
_COLUMNS = (0, 2, 6, 12, 18, 22, 24)
_SIDE = 33  # points per side of a map


def draw_task(panel, records: Sequence[Record]) -> None:
    """Sample points and their labels.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``inputs [samples 2]`` and ``labels [samples]``.
    """
    arrays = records[0].load_arrays()
    inputs, labels = arrays["inputs"], arrays["labels"]
    axes = panel.subplots()
    for on, name, look in (
        (True, "positive", {"color": "#005A9C", "marker": "o"}),
        (False, "negative", {"edgecolors": "#8C8C8C", "facecolors": "none", "marker": "s"}),
    ):
        axes.scatter(*inputs[labels == on].T, s=14, lw=0.8, label=name, **look)
    _quadrant(axes)
    axes.set(xlabel="first input $x_1$", ylabel="second input $x_2$", xlim=(-1, 1), ylim=(-1, 1))
    ticks = [-1, -0.5, 0, 0.5, 1]
    axes.set(aspect="equal", xticks=ticks, yticks=ticks)
    axes.legend(title="label", loc="center left", bbox_to_anchor=(1.02, 0.5))


def draw_paths(panel, records: Sequence[Record]) -> None:
    """Error and squared distance along the four paths.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``lambdas``, ``error`` and ``distance`` (``[4 lambdas]``).
    """
    arrays = records[0].load_arrays()
    left, right = panel.subplots(1, 2)
    for axes, name, label in (
        (left, "error", "share classified wrongly"),
        (right, "distance", "mean squared distance"),
    ):
        for curve, look, title in zip(arrays[name], _LOOKS, NAMES, strict=True):
            axes.plot(arrays["lambdas"], curve, label=title, lw=1.5, **look)
        axes.set(xlabel=r"position on the path $\lambda$", ylabel=label, ylim=(0, None))
    left.axhline(0.25, color="#8C8C8C", lw=0.8, ls=":", zorder=0)
    handles, names = left.get_legend_handles_labels()
    panel.legend(
        handles, names, loc="outside lower center", ncols=4, handlelength=2, columnspacing=1.2
    )


def draw_regions(panel, records: Sequence[Record]) -> None:
    """The function and the region called positive, for each permutation and position.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with ``maps [4 columns side side]``, ``columns`` (positions), and the
            polygons as ``corners [corners 2]``, ``polygon [corners]`` (running number) and
            ``place [polygons 2]`` (row, column).
    """
    arrays = records[0].load_arrays()
    maps, columns = arrays["maps"], arrays["columns"]
    grid = panel.subplots(len(maps), len(columns), sharex=True, sharey=True)
    look = {"extent": (-1, 1, -1, 1), "origin": "lower", "cmap": "cividis", "vmin": -2, "vmax": 0}
    for row, name in enumerate(NAMES):
        for column, lam in enumerate(columns):
            axes = grid[row, column]
            image = axes.imshow(maps[row, column], interpolation="bilinear", **look)
            _quadrant(axes)
            axes.set(xticks=[], yticks=[], xlim=(-1, 1), ylim=(-1, 1))
            axes.spines[:].set(visible=True, color="#8C8C8C")
            if row == len(maps) - 1:
                axes.set_xlabel(rf"$\lambda = {_short(lam)}$")
        grid[row, 0].set_ylabel(name.replace(" swapped", "\nswapped"))
    for number, (row, column) in enumerate(arrays["place"]):
        corners = arrays["corners"][arrays["polygon"] == number]
        grid[row, column].fill(*corners.T, facecolor="white", edgecolor="white", lw=0.5)
    panel.colorbar(image, ax=grid, label="output $f(x)$", shrink=0.8)


def draw_idle(panel, records: Sequence[Record]) -> None:
    """Barriers of all permutations when hidden layers get an idle unit.

    Args:
        panel: Figure or subfigure to draw on.
        records: One record with a metric for each width, ``idle_FIRST_SECOND``: one barrier per
            permutation.
    """
    axes = panel.subplots()
    names = sorted(records[0].metrics)
    for place, name in enumerate(names):
        values, counts = np.unique(records[0].values(name), return_counts=True)
        best = values == 0
        for chosen, colour in ((best, "#005A9C"), (~best, "#000000")):
            axes.scatter(values[chosen], np.full(chosen.sum(), place), s=60, color=colour, zorder=3)
        for value, count in zip(values, counts, strict=True):
            axes.annotate(
                f"{count}", (value, place), (0, 9), textcoords="offset points", ha="center"
            )
    axes.hlines(range(len(names)), 0, 0.25, color="#D9D9D9", lw=1, zorder=0)
    labels = [
        "-".join(["2", *(str(2 + int(n)) for n in name.split("_")[1:]), "1"]) for name in names
    ]
    axes.set_yticks(range(len(names)), labels)
    axes.set(xlabel="barrier, share of the square", ylabel="widths", xlim=(-0.015, 0.27))
    axes.set_ylim(-0.5, len(names) - 0.3)


def path_arrays(
    lambdas: Sequence[Fraction],
    error: Sequence[Sequence[Fraction]],
    distance: Sequence[Sequence[Fraction]],
    paths: Sequence[Sequence[Sequence[pieces.Layer]]],
) -> dict[str, np.ndarray]:
    """The arrays of :func:`draw_paths` and :func:`draw_regions`.

    Args:
        lambdas: Positions on the path.
        error: Share classified wrongly, one row per permutation.
        distance: Mean squared distance, one row per permutation.
        paths: The networks themselves, one row per permutation.
    """
    columns = [round(k * (len(lambdas) - 1) / 24) for k in _COLUMNS]
    corners, polygon, place = [], [], []  # type: ignore[var-annotated]
    for row, path in enumerate(paths):
        for column, k in enumerate(columns):
            for shape in counterexample.called_positive(path[k]):
                polygon += [len(place)] * len(shape)
                corners += [[float(x), float(y)] for x, y in shape]
                place.append([row, column])
    return {
        "lambdas": np.array(lambdas, dtype=np.float64),
        "error": np.array(error, dtype=np.float64),
        "distance": np.array(distance, dtype=np.float64),
        "maps": np.array([[_map(path[k]) for k in columns] for path in paths], dtype=np.float32),
        "columns": np.array([lambdas[k] for k in columns], dtype=np.float64),
        "corners": np.array(corners, dtype=np.float32),
        "polygon": np.array(polygon, dtype=np.int16),
        "place": np.array(place, dtype=np.int8),
    }


def _map(network: Sequence[pieces.Layer]) -> np.ndarray:
    """Output on a grid of the square, rows from the lowest second input upwards."""
    axis = np.linspace(-1, 1, _SIDE)
    hidden = np.stack(np.meshgrid(axis, axis), -1)
    for depth, (rows, bias) in enumerate(network):
        hidden = hidden @ np.array(rows, dtype=float).T + np.array(bias, dtype=float)
        if depth + 1 < len(network):
            hidden = np.maximum(hidden, 0)
    return hidden[..., 0]


def _quadrant(axes: Axes) -> None:
    axes.plot([-1, 0, 0], [0, 0, 1], color="black", lw=1, ls="--", zorder=4)


def _short(value: float) -> str:
    found = Fraction(float(value)).limit_denominator(100)
    return str(found) if found.denominator > 1 else str(found.numerator)
