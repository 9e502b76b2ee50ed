"""The figures of split data and of the estimator's variants draw from arrays alone."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import Held
from onebasin.plotting import merging, split

matplotlib = pytest.importorskip("matplotlib")


def quality(name, plain_loss=0.5, plain_accuracy=0.8):
    arrays = {f"loss.{kind}": np.full((2, 1), 0.3) for kind in split._RIVALS}
    arrays |= {f"accuracy.{kind}": np.full((2, 1), 0.9) for kind in split._RIVALS}
    arrays["loss.ends"], arrays["accuracy.ends"] = np.full((2, 2), 0.4), np.full((2, 2), 0.8)
    arrays["loss.plain"][:], arrays["accuracy.plain"][:] = plain_loss, plain_accuracy
    return Held(arrays=arrays, experiment=f"quality-{name}")


def test_lines_stand_beside_the_levels_of_their_rivals(figure):
    line = {"lambdas": np.linspace(0, 1, 5), "loss": np.ones((3, 5)), "accuracy": np.ones((3, 5))}
    held = [quality(name) for name in split._DATA]
    for name in split._DATA:
        held += [Held(method, line, f"lines-{name}") for method in ("none", "weight")]
    split.draw_lines(figure, held)
    figure.draw_without_rendering()
    assert [len(axes.lines) for axes in figure.axes] == [2 * (3 + 1) + 2] * 4
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[-2:] == ["ensemble of both", "trained on everything"] and len(labels) == 4


@pytest.mark.parametrize(("loss", "accuracy", "named"), [(0.5, 0.8, 0), (9.0, 0.1, 2)])
def test_rivals_keep_their_room_beside_a_bad_average(figure, loss, accuracy, named):
    split.draw_quality(figure, [quality(name, loss, accuracy) for name in split._DATA])
    figure.draw_without_rendering()
    texts = [t.get_text() for axes in figure.axes for t in axes.texts]
    cut = [text for text in texts if "up to" in text or "down to" in text]
    assert len(cut) == 2 * named  # a cut axis says so
    assert figure.axes[0].get_ylim()[1] < 1


def test_empty_bins_are_left_out_and_every_setting_has_a_column(figure):
    share = np.array([0, 0.2, 0.8])
    arrays = {
        f"{what}.{kind}": share if what == "share" else np.array([0, 0.5, 0.9])
        for what in ("confidence", "accuracy", "share")
        for kind in ("inputs", "tempered", "merge")
    }
    names = [f"calibration-{name}" for name in ("pictures", "random", "train")]
    split.draw_reliability(figure, [Held(arrays=arrays, experiment=name) for name in names])
    figure.draw_without_rendering()
    assert len(figure.axes) == 6
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [2, 2, 2, 2]
    assert [len(line.get_xdata()) for line in figure.axes[3].lines] == [2, 2, 2]


def test_every_network_has_its_error(figure):
    error = {"inputs": 8, "tempered": 8, "merge": 1, "ensemble": 1}
    arrays = {f"error.{kind}": np.full((1, count), 0.1) for kind, count in error.items()}
    names = [f"calibration-{name}" for name in ("digits", "random")]
    split.draw_errors(figure, [Held(arrays=arrays, experiment=name) for name in names])
    figure.draw_without_rendering()
    assert sum(len(line.get_xdata()) for line in figure.axes[0].lines) == 2 * 18
    assert len(figure.legends[0].get_texts()) == 4


def test_variants_of_the_estimator_and_photographs(figure):
    arrays = {f"loss.{name}": np.ones((4, 6)) for name in merging._VARIANTS}
    arrays |= {f"barrier.{name}": np.ones(4) for name in ("weight", *merging._VARIANTS)}
    merging.draw_start(figure, [Held(arrays=arrays | {"loss.long": np.ones(30)})])
    figure.draw_without_rendering()
    left, right = figure.axes
    assert len(left.lines) == 3 * (4 + 1) + 1 and len(left.lines[-1].get_xdata()) == 30
    assert len(right.lines) == 4 + 4
    figure.clear()
    line = {"lambdas": np.linspace(0, 1, 5)}
    line |= {"test_loss": np.ones((3, 5)), "test_accuracy": np.ones((3, 5))}
    merging.draw_photographs(figure, [Held(method=m, arrays=line) for m in ("none", "weight")])
    assert [len(axes.lines) for axes in figure.axes] == [2 * (3 + 1)] * 2
