"""The figures of the inr2vec chapter draw from arrays alone."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from onebasin.plotting import inr2vec, inrs, render, styled

matplotlib = pytest.importorskip("matplotlib")


@dataclass
class Held:
    """What a drawing function needs of a record."""

    method: str = "none"
    arrays: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)

    def load_arrays(self):
        return self.arrays

    def values(self, name):
        return np.asarray(self.metrics[name])


@pytest.fixture
def figure():
    from matplotlib.figure import Figure

    with styled():
        yield Figure(figsize=(6.4, 4.0), layout="constrained")


def test_matrices_are_drawn_side_by_side(figure):
    arrays = {"all": np.zeros((65, 17), np.uint8), "hidden": np.zeros((51, 16), np.uint8)}
    inr2vec.draw_matrix(figure, [Held(arrays=arrays)])
    assert [axes.images[0].get_array().shape for axes in figure.axes] == [(65, 17), (51, 16)]


def test_training_has_two_curves_for_each_encoder_and_the_floor(figure):
    arrays = {name: np.linspace(0.6, 0.3, 8) for name in ("shared", "free")}
    arrays |= {f"{name}_unseen": np.array([0.5, 0.4]) for name in ("shared", "free")}
    held = Held(arrays={**arrays, "ends": np.array([4, 8])}, metrics={"floor": [0.25]})
    inr2vec.draw_training(figure, [held])
    assert len(figure.axes[0].lines) == 5


def test_every_unseen_shape_is_a_point(figure):
    metrics = {name: np.linspace(0.001, 0.01, 12) for name in ("decoded", "nearest", "inr")}
    arrays = {"ends": np.array([2, 4]), "progress": np.array([0.01, 0.004])}
    inr2vec.draw_unseen(figure, [Held(arrays=arrays, metrics=metrics)])
    left, right = figure.axes
    assert len(left.collections[0].get_offsets()) == 12 and len(right.lines) == 3
    assert render(figure)[1]


def test_the_gallery_has_three_rows(figure):
    cloud = np.random.default_rng(0).normal(size=(2, 200, 3)).astype(np.float16) / 4
    pictures = np.stack([inrs.picture(one) for one in cloud])
    arrays = {"targets": pictures, "nearest": pictures, "points": cloud}
    inr2vec.draw_gallery(figure, [Held(arrays=arrays)])
    assert len(figure.axes) == 6 and sum(len(axes.collections) for axes in figure.axes) == 2


def test_each_kind_of_pair_that_was_measured_has_a_row(figure):
    values = {"distance": [1.0, 2.0, 3.0], "decoded": [0.1, 0.2, 0.3]}
    held = [Held(method, metrics=values) for method in (inr2vec.HYPER, "weight", "none", "same")]
    inr2vec.draw_distances(figure, held)
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == ["hyper-matching", "weight matching", "different starts", "same initialisation"]
    assert [len(axes.lines) for axes in figure.axes] == [8, 8]


def test_shares_fill_the_bar(figure):
    arrays = {"kinds": np.array(["weights", "embedding"])}
    arrays["shares"] = np.array([[0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    inr2vec.draw_shares(figure, [Held(arrays=arrays)])
    bars = figure.axes[0].patches
    assert len(bars) == 6 and max(bar.get_x() + bar.get_width() for bar in bars) == pytest.approx(1)
