import numpy as np
import pytest

from helpers import Held
from onebasin.plotting import axes as draw
from onebasin.plotting.style import styled
from onebasin.symmetry import Concat, Inner, Product, Spec

SPEC = Spec(
    {
        "a": ("g", None, Concat("h", 2, Product("g", 3))),
        "b": ("k", Inner("h")),
        "count": (),
    },
    {"h": ("blocks", 2), "k": ("blocks", 2)},
)


@pytest.fixture
def figure():
    from matplotlib.figure import Figure

    with styled():
        yield Figure(figsize=(6.4, 4.0), layout="constrained")


def record(**arrays):
    return Held(arrays={name: np.asarray(value) for name, value in arrays.items()})


def test_labels_say_what_stands_on_every_axis():
    tensors, entries = draw.labels(SPEC)
    assert tensors == ["a", "b", "count"]
    assert entries[0] == ["0", "-", "1|(2)|0×(3)", ""]
    assert entries[1] == ["2", "1 inside", "", ""] and entries[2] == [""] * 4


@pytest.mark.bad_input
def test_one_box_for_each_segment(figure):
    tensors, entries = draw.labels(SPEC)
    draw.draw_axes(figure, [record(tensors=tensors, entries=entries)])
    (axes,) = figure.get_axes()
    assert len(axes.patches) == 1 + 1 + 3 + 2
    assert axes.patches[0].get_facecolor() == axes.patches[4].get_facecolor()  # both of group 0
    assert axes.patches[0].get_facecolor() != axes.patches[1].get_facecolor()


@pytest.mark.bad_input
def test_checks_draw_every_network_and_zero_at_the_edge(figure):
    arrays = {"names": ["x", "y"], "error": [0.0, 1e-16], "fresh": [1e-15] * 2, "control": [1.0, 2]}
    draw.draw_checks(figure, [record(broken=[[0.1, 0.2], [0.3, 0.4]], **arrays)])
    (axes,) = figure.get_axes()
    lowest = min(min(line.get_ydata()) for line in axes.lines if len(line.get_ydata()))
    assert lowest > axes.get_ylim()[0] > 0
    assert [text.get_text() for text in axes.get_xticklabels()] == ["x", "y"]
