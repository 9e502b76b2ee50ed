"""The figures of the chapter on what an encoder reads draw from arrays alone."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import Held
from onebasin.plotting import encoder

matplotlib = pytest.importorskip("matplotlib")


def test_distances_have_a_curve_a_method(figure):
    names = np.array(["layers.0.weight", "layers.0.bias", "layers.1.weight"])
    methods = ("same", "none", "weight", "sign + phase", "phase")
    records = [Held(m, {"names": names, "distance": np.ones((4, 3))}) for m in methods]
    encoder.draw_distances(figure, records)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert len(axes.lines) == 1 + len(methods)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [
        "0.weight",
        "0.bias",
        "1.weight",
    ]


def test_steps_and_shares_show_every_part(figure):
    top, bottom = figure.subfigures(2, 1)
    steps = {"widths": np.array([32]), "steps_32": np.array([100, 500])}
    steps |= {"learned_32": np.array([[0.1, 0.2], [0.3, 0.5]]), "same_32": np.array([0.1, 0.2])}
    encoder.draw_steps(top, [Held("none", {**steps, "aligned_32": np.array([1.3, 1.2])})])
    bars = np.array([[0.2, 0.7, 0.1], [0.5, 0.3, 0.2]])
    kinds = np.array(["as trained", "weight matching"])
    encoder.draw_shares(
        bottom, [Held("none", {"kinds": kinds, "weights": bars, "embedding": bars})]
    )
    figure.draw_without_rendering()
    own = top.axes[0].lines[-1]
    assert list(own.get_ydata()) == pytest.approx([0.15, 0.4])
    widths = [bar.get_width() for bar in bottom.axes[1].patches]
    assert sorted(widths) == pytest.approx(sorted(bars.flatten()))
