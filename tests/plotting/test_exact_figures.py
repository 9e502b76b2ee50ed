"""Figures of the chapters on assignment, scalings and the counterexample, from arrays alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest

from onebasin.networks import counterexample as example
from onebasin.networks import pieces
from onebasin.plotting import assignment, counterexample, scaling
from onebasin.symmetry import apply

pytest.importorskip("matplotlib")


@dataclass
class Held:
    """What a drawing function needs of a record."""

    arrays: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)

    def load_arrays(self):
        return self.arrays

    def values(self, name):
        return np.asarray(self.metrics[name], dtype=float)


@pytest.fixture
def figure():
    from matplotlib.figure import Figure

    return Figure(figsize=(6.4, 4.0), layout="constrained")


@pytest.fixture(scope="module")
def paths():
    lambdas = [Fraction(k, 24) for k in range(25)]
    ref, other = example.pair()
    start, found = pieces.layers(ref), []
    for permutation in example.permutations():
        goal = pieces.layers(apply(permutation, other))
        found.append([pieces.between(start, goal, lam) for lam in lambdas])
    error = [[example.wrong(network) for network in path] for path in found]
    distance = [[example.distance(start, network) for network in path] for path in found]
    return counterexample.path_arrays(lambdas, error, distance, found)


def test_paths_draw_the_four_curves_and_reach_a_quarter(figure, paths):
    counterexample.draw_paths(figure, [Held(paths)])
    figure.draw_without_rendering()
    left = figure.axes[0]
    curves = [line for line in left.lines if len(line.get_xdata()) == 25]
    assert len(curves) == 4 and {max(line.get_ydata()) for line in curves} == {0.25}


def test_regions_are_white_where_the_network_says_positive(figure, paths):
    counterexample.draw_regions(figure, [Held(paths)])
    figure.draw_without_rendering()
    areas = np.zeros((4, 7))
    for number, (row, column) in enumerate(paths["place"]):
        x, y = paths["corners"][paths["polygon"] == number].T
        areas[row, column] += 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    assert np.allclose(areas[:, [0, 6]], 1) and np.allclose(areas[:2, 1:6], 0)
    assert np.allclose(areas[2:, 3], 2)  # the half plane in the middle
    assert sum(len(axes.patches) for axes in figure.axes) == len(paths["place"])


def test_task_and_idle_units_show_every_point(figure):
    inputs = np.random.default_rng(0).uniform(-1, 1, (30, 2))
    labels = (inputs[:, 0] < 0) & (inputs[:, 1] > 0)
    counterexample.draw_task(figure, [Held({"inputs": inputs, "labels": labels})])
    assert sum(len(held.get_offsets()) for held in figure.axes[0].collections) == 30


def test_idle_units_count_permutations(figure):
    held = Held(metrics={"idle_0_0": [0.25] * 4, "idle_1_0": [0.0, *[0.25] * 11]})
    counterexample.draw_idle(figure, [held])
    figure.draw_without_rendering()
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["1", "11", "4"]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["2-2-2-1", "2-3-2-1"]


def test_climb_ends_where_the_descent_ended_and_names_the_share(figure):
    climbs = assignment.padded([[0.0, 0.5, 0.9], [0.0, 0.7]])
    assert np.isnan(climbs[1, 2])
    metrics = {"hidden_1": [1.0, 1.0], "hidden_2": [1.0, 0.5], "solved_hidden_2": [1, 0]}
    assignment.draw_climb(figure, [Held({"climbs": climbs}, metrics)])
    figure.draw_without_rendering()
    ends = [line.get_ydata()[0] for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert np.allclose(sorted(ends), [0.7, 0.9])
    assert [text.get_text() for text in figure.axes[1].texts] == ["100%", "50%"]


def test_bound_and_merge_draw_all_values(figure):
    needs = {"need_2": [0.1, 0.5], "need_3": [0.2, 1.0], "most": [1.0]}
    assignment.draw_bound(figure, [Held(metrics=needs)])
    figure.draw_without_rendering()
    assert sum(len(held.get_offsets()) for held in figure.axes[0].collections) == 4
    assert len(figure.axes[0].texts) == 3


def test_merge_marks_ends_in_turn_only(figure):
    curves = assignment.padded([[0.0, 0.2, 0.3], [0.0, 0.1]])
    assignment.draw_merge(figure, [Held({"in_turn": curves, "at_once": curves})])
    figure.draw_without_rendering()
    marks = [sum(line.get_marker() == "^" for line in axes.lines) for axes in figure.axes]
    assert marks == [2, 0]


def test_scaling_figures_show_each_spread_and_both_orders(figure):
    lambdas = np.linspace(0, 1, 25)
    change = np.broadcast_to(np.sin(np.pi * lambdas), (3, 4, 25))
    arrays = {"change": change, "spreads": np.array([0.25, 0.5, 1]), "lambdas": lambdas}
    scaling.draw_path(figure, [Held(arrays)])
    figure.draw_without_rendering()
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["0.25", "0.5", "1"]


def test_order_shows_printed_and_reversed(figure):
    found = np.random.default_rng(1).uniform(size=(2, 3, 5))
    arrays = {"spreads": np.array([0.0, 1, 2]), "recovered": found, "distance": found}
    scaling.draw_order(figure, [Held(arrays)])
    figure.draw_without_rendering()
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["aligned first (printed)", "canonical form first"]
