"""The figures of the first two chapters draw from arrays alone, and show what they claim to."""

import numpy as np
import pytest

from helpers import Held
from onebasin.plotting import barrier, permutations
from onebasin.symmetry import neural

matplotlib = pytest.importorskip("matplotlib")


def mnist(method, height):
    lambdas = np.linspace(0, 1, 25)
    hill = height * np.sin(np.pi * lambdas)
    loss = 0.3 + np.broadcast_to(hill, (2, 3, 25)) * np.array([1, 0.5]).reshape(2, 1, 1)
    arrays = {"lambdas": lambdas, "widths": np.array([8, 32]), "loss": loss}
    return Held(method, {**arrays, "barrier": loss.max(-1) - 0.3})


def test_commute_shows_every_network_and_no_zero_is_lost(figure):
    change = np.full((2, 3, 4), 0.5)
    change[0] = 0
    names = {"kinds": np.array(["permutation", "orthogonal"]), "activations": np.array(["a"] * 3)}
    permutations.draw_commute(figure, [Held(arrays={"change": change, **names})])
    figure.draw_without_rendering()
    offsets = [np.asarray(held.get_offsets()) for held in figure.axes[0].collections]
    heights = np.concatenate([points[:, 1] for points in offsets if len(points) == 4])
    assert len(heights) == change.size
    assert (heights > figure.axes[0].get_ylim()[0]).all()


def test_only_the_exchange_across_layers_draws_missing_edges(figure):
    arrays = permutations.graph_panels(neural.neural_graph((2, 3, 3, 1)))
    permutations.draw_graphs(figure, [Held(arrays=arrays)])
    figure.draw_without_rendering()
    dashed = [sum(line.get_linestyle() == "--" for line in axes.lines) for axes in figure.axes]
    assert dashed[0] == dashed[1] == 0 and dashed[2] > 0
    assert sorted(arrays["labels_1"]) == sorted(arrays["labels_0"]) == [1, 2, 3, 4, 5, 6]


def test_counts_name_every_architecture(figure):
    arrays = {"names": np.array(["one", "two"]), "printed": np.array([10, 300])}
    arrays |= {"free": np.array([11.0, 301.5]), "tied": np.array([11.0, 200.5])}
    permutations.draw_counts(figure, [Held(arrays=arrays)])
    figure.draw_without_rendering()
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"11.0", "200.5", "10", "300"} <= texts


def test_slices_mark_a_barrier_only_where_there_is_one(figure):
    lam = np.linspace(0, 1, 25)
    loss = np.stack([lam + lam * (1 - lam), lam, lam - lam * (1 - lam), np.sin(2 * np.pi * lam)])
    barrier.draw_slices(figure, [Held(arrays={"lambdas": lam, "loss": loss})])
    arrows = [
        sum(text.arrowprops is not None for text in axes.texts if hasattr(text, "arrowprops"))
        for axes in figure.axes
    ]
    assert arrows == [2, 1, 1, 2]


def test_lines_share_one_scale_and_name_every_method_once(figure):
    barrier.draw_lines(figure, [mnist("weight", 0.1), mnist("none", 1.0)])
    figure.draw_without_rendering()
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["no alignment", "weight matching"]


def test_widths_draw_every_pair(figure):
    barrier.draw_widths(figure, [mnist("weight", 0.1), mnist("none", 1.0)])
    figure.draw_without_rendering()
    assert [len(held.get_offsets()) for held in figure.axes[0].collections] == [6, 6]
