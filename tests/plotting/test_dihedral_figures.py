"""The figures of the chapter on sine units draw from arrays alone."""

import numpy as np
import pytest

from helpers import Held
from onebasin.plotting import dihedral

matplotlib = pytest.importorskip("matplotlib")


def test_every_equivalent_is_a_point_and_the_strip_holds_one(figure):
    phase, outgoing = np.array([0.3, 1.3, -0.7, -0.3]), np.array([1.0, -1.0, -1.0, -1.0])
    arrays = {"phase": phase, "weight": np.array([0.9, 0.9, 0.9, -0.9]), "outgoing": outgoing}
    dihedral.draw_orbit(figure, [Held(arrays=arrays)])
    (axes,) = figure.axes
    kept, negated, itself = axes.lines[:3]
    assert len(kept.get_xdata()) == 1 and len(negated.get_xdata()) == 3
    assert itself.get_xdata().tolist() == [0.3]


def test_each_kind_of_teacher_has_one_entry_and_zero_is_drawn(figure):
    kinds = np.array(["generic", "generic", "parallel", "no outgoing", "no incoming"])
    error, distance = np.zeros((5, 4)), np.ones((5, 4))
    dihedral.draw_search(
        figure, [Held(arrays={"kinds": kinds, "error": error, "distance": distance})]
    )
    (axes,) = figure.axes
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["generic", "parallel", "no outgoing", "no incoming"]
    assert len(axes.lines[0].get_xdata()) == 8 and (axes.lines[0].get_xdata() > 0).all()


def test_barriers_stand_beside_each_other_by_method(figure):
    arrays = {"barrier": np.array([[1.0, 2.0], [3.0, 4.0]]), "names": np.array(["g/a_0", "g/b_0"])}
    methods = ("none", "weight", "sign", "sign + phase")
    dihedral.draw_barriers(figure, [Held(method, arrays) for method in methods])
    (axes,) = figure.axes
    places = [line.get_xdata()[0] for line in axes.lines]
    assert places == sorted(places) and len(set(places)) == 4
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a 0", "b 0"]
    assert axes.get_ylim()[0] == 0


def test_weighing_shows_the_sweep_and_two_levels(figure):
    arrays = {
        "factors": np.array([0.1, 1.0, 10.0]),
        "barrier": np.array([[3.0, 1.0], [2.0, 2.0], [1.0, 0.0]]),
        "derived": np.array([1.0, 2.0]),
        "measured": np.array([0.5, 0.5]),
    }
    dihedral.draw_weighing(figure, [Held(arrays=arrays)])
    (axes,) = figure.axes
    assert axes.lines[0].get_ydata().tolist() == [2.0, 2.0, 0.5]
    assert [line.get_ydata()[0] for line in axes.lines[1:]] == [1.5, 0.5]
