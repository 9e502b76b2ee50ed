"""The figures of the chapters on predictions, pruning and variations draw from arrays alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from onebasin.plotting import predictions, styled

matplotlib = pytest.importorskip("matplotlib")
LAMBDAS = np.linspace(0, 1, 25)


@dataclass
class Held:
    """What a drawing function needs of a record."""

    method: str = "none"
    arrays: dict = field(default_factory=dict)

    def load_arrays(self):
        return self.arrays


@pytest.fixture
def figure():
    from matplotlib.figure import Figure

    with styled():
        yield Figure(figsize=(6.4, 4.0), layout="constrained")


def balls(count, points=60):
    draw = np.random.default_rng(0).normal(size=(count, points, 3))
    return (draw / np.linalg.norm(draw, axis=2, keepdims=True)).astype(np.float16)


def line(method):
    complete = np.arange(25) % 5 != 2
    arrays = {"lambdas": LAMBDAS, "loss": np.sin(LAMBDAS), "complete": complete}
    return Held(method, {**arrays, "points": balls(25), "histogram": np.ones((25, 20), np.int32)})


def curves(method, lines=4):
    chamfer = np.tile(np.where(LAMBDAS == 0.5, np.inf, 0.01 + LAMBDAS), (lines, 1))
    loss = np.tile(0.3 + LAMBDAS, (lines, 1))
    arrays = {"lambdas": LAMBDAS, "constant": np.array(0.4), "loss": loss, "chamfer": chamfer}
    return Held(method, {**arrays, "far": loss / 2, "middle": loss / 3, "knows": 1 - loss})


@pytest.mark.parametrize(
    "draw", [predictions.draw_same, predictions.draw_diff, predictions.draw_matched]
)
def test_a_line_has_a_curve_clouds_crosses_and_histograms(figure, draw):
    draw(figure, [line("same"), line("none"), line("weight")])
    figure.draw_without_rendering()
    assert len(figure.axes) == 1 + 25 + 25
    crosses = [one for axes in figure.axes[1:26] for one in axes.lines if one.get_marker() == "x"]
    assert len(crosses) == 5
    assert all(len(axes.patches) == 20 for axes in figure.axes[26:])


def test_shares_have_a_column_for_each_kind(figure):
    predictions.draw_shares(figure, [curves("weight"), curves("same"), curves("none")])
    figure.draw_without_rendering()
    titles = [axes.texts[0].get_text() for axes in figure.axes[:3]]
    assert titles == ["same start", "different starts", "after weight matching"]
    assert all(len(axes.lines) == 4 + 1 + 1 for axes in figure.axes[:3])


def test_unfinished_clouds_are_crosses_above_all_distances(figure):
    predictions.draw_follow(figure, [curves("same"), curves("none"), curves("weight")])
    figure.draw_without_rendering()
    done, crosses = figure.axes[0].collections
    assert len(done.get_offsets()) == 4 * 24 and len(crosses.get_offsets()) == 4
    assert figure.axes[0].get_ylim()[1] > 1.01
