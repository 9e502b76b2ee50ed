"""The figures of the chapters on width and on failures draw from arrays alone."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import Held
from onebasin.plotting import failures, width

matplotlib = pytest.importorskip("matplotlib")


def by_width():
    generator = np.random.default_rng(0)
    common = {"widths": np.array([8, 32, 64]), "chance": np.array([0.5, 0.3, 0.2])}
    common |= {name: generator.random((3, 4)) for name in ("start", "end")}
    plain = Held("none", common | {"barrier": generator.random((3, 4, 1)) + 1})
    return [plain, Held("weight", common | {"barrier": generator.random((3, 4, 5))})]


def test_every_pair_and_order_is_a_point_over_the_width(figure):
    width.draw_widths(figure, by_width())
    figure.draw_without_rendering()
    left, right = figure.axes
    assert len(left.lines) == 1 + 4 + 1 + 4 * 5 and len(right.lines) == 2 * (1 + 4) + 1
    assert [t.get_text() for t in left.get_xticklabels()] == ["8", "32", "64"]


def test_the_spread_is_relative_and_over_one_source_at_a_time(figure):
    records = by_width()
    heights = np.array([[[1.0, 3.0], [1.0, 3.0]]] * 3)  # orders differ, pairs do not
    records[1].arrays["barrier"] = heights
    width.draw_spread(figure, records)
    figure.draw_without_rendering()
    orders, pairs = (line.get_ydata() for line in figure.axes[0].lines)
    assert np.allclose(orders, np.sqrt(2) / 2) and np.allclose(pairs, 0)


def test_a_network_that_was_not_trained_is_named(figure):
    names = np.array(["VGG16 ×1", "ResNet20 ×1"])
    blank = np.full((2, 3, 2, 3), np.nan)
    plain, matched = blank[..., :1].copy(), blank.copy()
    plain[1, :, 0], matched[1, :, 0] = 2.0, 1.0
    records = [Held("none", {"names": names, "barrier": plain})]
    records.append(Held("weight", {"names": names, "barrier": matched}))
    width.draw_convolutional(figure, records)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_xticklabels()] == names.tolist()
    assert [t.get_text() for t in axes.texts] == ["not run", "none", "reset", "repair"]
    many = {"names": np.tile(names, 4), "barrier": np.tile(matched, (4, 1, 1, 1))}
    width.draw_convolutional(figure, [Held("none", many), Held("weight", many)])
    assert figure.axes[-1].get_xticklabels()[0].get_rotation() > 0


def test_failures_are_crossed_and_the_listed_are_bold(figure):
    common = {"names": np.array(["ordinary", "too narrow"]), "listed": np.array([False, True])}
    common |= {"fails": np.array([False, True]), "ends": np.array([[0.3, 0.4], [0.5, np.nan]])}
    heights = np.array([[[1.0], [2.0]], [[3.0], [np.nan]]])
    records = [Held(method, common | {"barrier": heights}) for method in ("none", "weight")]
    failures.draw_settings(figure, records)
    figure.draw_without_rendering()
    left = figure.axes[0]
    assert [t.get_text() for t in left.texts] == ["×"]
    assert [t.get_fontweight() for t in left.get_yticklabels()] == ["normal", "bold"]
    assert sum(len(line.get_xdata()) for line in left.lines[:4]) == 2 * 3


def test_marks_without_a_barrier_are_left_out(figure):
    points = np.array([[[0.1, 0.9], [1.0, 0.2]], [[0.2, np.nan], [2.0, 0.5]]])
    held = Held("weight", arrays={"names": np.array(["ordinary", "too narrow"]), "points": points})
    failures.draw_gone(figure, [held])
    figure.draw_without_rendering()
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [2, 1]


@pytest.mark.parametrize("dip", [-0.01, -1e-7])
def test_the_dip_is_in_view(figure, dip):
    near = np.logspace(-5, -0.5, 9)
    arrays = {"lambdas": np.linspace(0, 1, 25), "near": near}
    for name, change in (("none", 0.0), ("weight", 0.0), ("steepest", dip)):
        arrays |= {name: np.ones((2, 25)), f"{name}_near": np.full((2, 9), change)}
    failures.draw_steepest(figure, [Held("none", arrays)])
    figure.axes[1].set_ylim(-0.1, 0.1)  # as a profile with a larger dip sets it for both
    figure.draw_without_rendering()
    axes = figure.axes[1]
    heights = axes.transAxes.inverted().transform(
        axes.transData.transform([[1e-3, 0], [1e-3, dip]])
    )
    assert 0 < heights[1, 1] < heights[0, 1] - 0.1
