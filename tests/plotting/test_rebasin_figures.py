"""The figures of the chapters on planted permutations and many networks draw from arrays alone."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import Held
from onebasin.plotting import many, planted

matplotlib = pytest.importorskip("matplotlib")


def test_every_planted_permutation_is_a_line(figure):
    missing = np.array([[[1, 0.2, 0, np.nan], [1, 0, 0, np.nan]], [[1, 0.5, 0.1, 0]] * 2])
    held = Held("weight", arrays={"names": np.array(["MLP", "ResNet20"]), "missing": missing})
    planted.draw_sweeps(figure, [held])
    figure.draw_without_rendering()
    assert len(figure.axes[0].lines) == 4
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["MLP", "ResNet20"]


def test_every_width_is_a_curve(figure):
    arrays = {"noise": np.array([0, 1, 8]), "widths": np.array([16, 64])}
    planted.draw_noise(figure, [Held("weight", arrays=arrays | {"recovered": np.ones((2, 3, 5))})])
    figure.draw_without_rendering()
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["0", "1", "8"]
    assert len(figure.axes[0].lines) == 2 * (1 + 5)


def test_every_order_is_a_mark(figure):
    generator = np.random.default_rng(0)
    arrays = {"barrier": generator.random((3, 20)), "objective": generator.normal(size=(3, 20))}
    planted.draw_orders(figure, [Held("weight", arrays=arrays)])
    figure.draw_without_rendering()
    left, right = figure.axes
    assert len(left.lines) == 2 * 3 and len(right.lines) == 3
    assert all(len(line.get_xdata()) == 20 for line in right.lines)


@pytest.mark.parametrize("plain", [0.4, 9.0])
def test_every_kind_of_network_has_its_place(figure, plain):
    arrays = {}
    for what in ("loss", "accuracy"):
        arrays |= {f"{what}.{name}": np.full(2, 0.3) for name in many._LABEL}
        arrays[f"{what}.inputs"] = np.full((2, 4), 0.2)
    many.draw_quality(figure, [Held("weight", arrays=arrays | {"loss.plain": np.full(2, plain)})])
    figure.draw_without_rendering()
    left, right = figure.axes
    assert len(left.lines) == len(right.lines) == 2 * 5
    named = [text.get_text() for text in left.texts]
    assert named == (["up to 9.0 ↑"] if plain > 1 else [])  # a cut axis says so


def test_climbs_start_together_and_turns_follow_the_relaxed_steps(figure):
    relaxed = np.array([[1, 2, 3, np.nan], [1, 2, 3, 4]])
    arrays = {"turns": np.ones((2, 5)), "relaxed": relaxed, "finish": relaxed[:, :3]}
    many.draw_climb(figure, [Held("weight", arrays=arrays)])
    dotted = [line for line in figure.axes[1].lines if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in dotted] == [2, 3]
