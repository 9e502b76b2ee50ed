"""The figures of the chapter on planted permutations draw from arrays alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from onebasin.plotting import planted, styled

matplotlib = pytest.importorskip("matplotlib")


@dataclass
class Held:
    """What a drawing function needs of a record."""

    method: str = "weight"
    arrays: dict = field(default_factory=dict)

    def load_arrays(self):
        return self.arrays


@pytest.fixture
def figure():
    from matplotlib.figure import Figure

    with styled():
        yield Figure(figsize=(6.4, 3.2), layout="constrained")


def test_every_planted_permutation_is_a_line(figure):
    missing = np.array([[[1, 0.2, 0, np.nan], [1, 0, 0, np.nan]], [[1, 0.5, 0.1, 0]] * 2])
    held = Held(arrays={"names": np.array(["MLP", "ResNet20"]), "missing": missing})
    planted.draw_sweeps(figure, [held])
    figure.draw_without_rendering()
    assert len(figure.axes[0].lines) == 4
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["MLP", "ResNet20"]


def test_every_width_is_a_curve(figure):
    arrays = {"noise": np.array([0, 1, 8]), "widths": np.array([16, 64])}
    planted.draw_noise(figure, [Held(arrays=arrays | {"recovered": np.ones((2, 3, 5))})])
    figure.draw_without_rendering()
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["0", "1", "8"]
    assert len(figure.axes[0].lines) == 2 * (1 + 5)


def test_every_order_is_a_mark(figure):
    generator = np.random.default_rng(0)
    arrays = {"barrier": generator.random((3, 20)), "objective": generator.normal(size=(3, 20))}
    planted.draw_orders(figure, [Held(arrays=arrays)])
    figure.draw_without_rendering()
    left, right = figure.axes
    assert len(left.lines) == 2 * 3 and len(right.lines) == 3
    assert all(len(line.get_xdata()) == 20 for line in right.lines)
