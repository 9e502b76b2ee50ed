from types import SimpleNamespace

import numpy as np

from onebasin.plotting import axes as draw
from onebasin.plotting import compare
from onebasin.symmetry import Concat, Inner, Product, Spec

SPEC = Spec(
    {
        "a": ("g", None, Concat("h", 2, Product("g", 3))),
        "b": ("k", Inner("h")),
        "count": (),
    },
    {"h": ("blocks", 2), "k": ("blocks", 2)},
)


def record(**arrays):
    held = {name: np.asarray(value) for name, value in arrays.items()}
    return SimpleNamespace(load_arrays=lambda: held, device="cpu", profile="smoke")


def test_labels_say_what_stands_on_every_axis():
    tensors, entries = draw.labels(SPEC)
    assert tensors == ["a", "b", "count"]
    assert entries[0] == ["0", "-", "1|(2)|0×(3)", ""]
    assert entries[1] == ["2", "1 inside", "", ""] and entries[2] == [""] * 4


def test_one_box_for_each_segment():
    tensors, entries = draw.labels(SPEC)
    figure = compare(draw.draw_axes, [[record(tensors=tensors, entries=entries)]])
    (axes,) = figure.subfigs[0].get_axes()
    assert len(axes.patches) == 1 + 1 + 3 + 2
    assert axes.patches[0].get_facecolor() == axes.patches[4].get_facecolor()  # both of group 0
    assert axes.patches[0].get_facecolor() != axes.patches[1].get_facecolor()


def test_checks_draw_every_network_and_zero_at_the_edge():
    arrays = {"names": ["x", "y"], "error": [0.0, 1e-16], "fresh": [1e-15] * 2, "control": [1.0, 2]}
    figure = compare(draw.draw_checks, [[record(broken=[[0.1, 0.2], [0.3, 0.4]], **arrays)]])
    (axes,) = figure.subfigs[0].get_axes()
    lowest = min(line.get_ydata().min() for line in axes.lines if len(line.get_ydata()))
    assert lowest > axes.get_ylim()[0] > 0
    assert [text.get_text() for text in axes.get_xticklabels()] == ["x", "y"]
