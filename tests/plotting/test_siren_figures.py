"""The figures of the chapter on the sine's whole group draw from arrays alone."""

import numpy as np
import pytest

from helpers import Held
from onebasin.plotting import render, siren

matplotlib = pytest.importorskip("matplotlib")
METHODS = ("same", "none", "weight", "sign", "phase")


def records(shapes=2):
    lambdas, made = np.linspace(0, 1, 13), []
    for rank, method in enumerate(METHODS):
        loss = 0.3 + (rank + 1) * (lambdas * (1 - lambdas))[None].repeat(2 * shapes, 0)
        arrays = {"lambdas": lambdas, "loss": loss, "corrected_loss": loss / 2}
        arrays |= {"shape": np.arange(shapes).repeat(2), "ends": np.array([1e-3, 2e-3])}
        arrays["constant"] = np.full(2 * shapes, 0.1)
        arrays["names"] = np.array([f"generated/chair_{k}" for k in range(shapes)])
        height, far = loss.max(1) - 0.3, np.array([0.01, np.nan] * shapes)
        arrays |= {"barrier": height, "corrected": height / 2}
        made.append(Held(method, arrays | {"chamfer": far, "chamfer_corrected": far}))
    return made


def test_curves_are_drawn_for_every_shape_with_both_paths(figure):
    siren.draw_curves(figure, records())
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == 2
    for axes in shown:
        styles = [line.get_linestyle() for line in axes.lines]
        assert len(styles) == 7 and styles.count(":") == 3  # none, weight, phase, twice
        np.testing.assert_allclose(axes.lines[6].get_ydata(), 0.4)  # ends and constant
        straight, corrected = axes.lines[:2]
        assert straight.get_ydata().max() > corrected.get_ydata().max()
    render(figure)


def test_widths_have_two_panels_that_are_never_one(figure):
    made = records()
    for rank, record in enumerate(made):
        bands = (rank + 1) * np.array([[1.0, 0.5], [0.8, 0.4], [1.2, 0.6]])
        record.arrays = {"widths": np.array([32, 64]), "barrier": bands, "corrected": bands / 4}
    siren.draw_width(figure, made)
    left, right = figure.axes
    assert (left.get_ylabel(), right.get_ylabel()) == (
        "barrier (nats)",
        "corrected barrier (nats)",
    )
    assert len(left.lines) == len(right.lines) == len(METHODS)
    assert np.allclose(left.lines[0].get_ydata(), 4 * right.lines[0].get_ydata())
    render(figure)


def test_midpoints_without_a_cloud_are_left_out(figure):
    siren.draw_beside(figure, records())
    left, right = figure.axes
    drawn = left.collections[0].get_offsets()
    assert np.isfinite(np.ma.filled(drawn, np.nan)).all(1).sum() == 2
    assert len(left.collections) == len(right.collections)
    render(figure)


def test_clouds_stand_in_their_places_and_unfinished_ones_are_crossed(figure):
    counts = np.array([[64, 10], [50, 64]])
    points = np.random.default_rng(0).integers(-20000, 20000, (counts.sum(), 3), dtype=np.int16)
    arrays = {"rows": np.array(["a", "b"]), "lambdas": np.array([0.0, 1.0]), "points": points}
    arrays |= {"counts": counts, "complete": np.array([[True, False], [True, True]])}
    siren.draw_clouds(figure, [Held("none", arrays)])
    assert [len(axes.collections) for axes in figure.axes] == [1, 0, 1, 1]
    assert [len(axes.texts) for axes in figure.axes] == [0, 1, 0, 0]
    assert len(figure.axes[2].collections[0].get_offsets()) == 50
    render(figure)


def test_refinement_has_a_start_and_an_end_for_every_pair(figure):
    heights = np.array([[[0.3, 0.2, 0.4], [0.1, 0.2, 0.1]], [[0.1, 0.1, 0.1], [0.05, 0.2, 0.0]]])
    arrays = {"widths": np.array([64, 512]), "barrier": heights, "constant": np.array([0.1, 0.2])}
    siren.draw_learned(figure, [Held("straight-through", arrays)])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["64", "512"]
    assert len(axes.lines) == heights[:, 0].size + 2 and axes.get_yscale() == "log"
    drawn = np.concatenate([marks.get_offsets()[:, 1] for marks in axes.collections])
    np.testing.assert_allclose(drawn, np.maximum(heights, 1e-4).ravel())
    assert len(axes.get_legend_handles_labels()[1]) == 3
    render(figure)
