"""The figures of the chapters on predictions, pruning and variations draw from arrays alone."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import Held
from onebasin.plotting import predictions, pruning, variations

matplotlib = pytest.importorskip("matplotlib")
LAMBDAS = np.linspace(0, 1, 25)


def balls(count, points=60):
    draw = np.random.default_rng(0).normal(size=(count, points, 3))
    return (draw / np.linalg.norm(draw, axis=2, keepdims=True)).astype(np.float16)


def line(method):
    complete = np.arange(25) % 5 != 2
    arrays = {"lambdas": LAMBDAS, "loss": np.sin(LAMBDAS), "complete": complete}
    return Held(method, {**arrays, "points": balls(25), "histogram": np.ones((25, 20), np.int32)})


def curves(method, lines=4):
    chamfer = np.tile(np.where(LAMBDAS == 0.5, np.inf, 0.01 + LAMBDAS), (lines, 1))
    loss = np.tile(0.3 + LAMBDAS, (lines, 1))
    arrays = {"lambdas": LAMBDAS, "constant": np.array(0.4), "loss": loss, "chamfer": chamfer}
    return Held(method, {**arrays, "far": loss / 2, "middle": loss / 3, "knows": 1 - loss})


@pytest.mark.parametrize(
    "draw", [predictions.draw_same, predictions.draw_diff, predictions.draw_matched]
)
def test_a_line_has_a_curve_clouds_crosses_and_histograms(figure, draw):
    draw(figure, [line("same"), line("none"), line("weight")])
    figure.draw_without_rendering()
    assert len(figure.axes) == 1 + 25 + 25
    crosses = [one for axes in figure.axes[1:26] for one in axes.lines if one.get_marker() == "x"]
    assert len(crosses) == 5
    assert all(len(axes.patches) == 20 for axes in figure.axes[26:])


def test_shares_have_a_column_for_each_kind(figure):
    predictions.draw_shares(figure, [curves("weight"), curves("same"), curves("none")])
    figure.draw_without_rendering()
    titles = [axes.texts[0].get_text() for axes in figure.axes[:3]]
    assert titles == ["same start", "different starts", "after weight matching"]
    assert all(len(axes.lines) == 4 + 1 + 1 for axes in figure.axes[:3])


def test_unfinished_clouds_are_crosses_above_all_distances(figure):
    predictions.draw_follow(figure, [curves("same"), curves("none"), curves("weight")])
    figure.draw_without_rendering()
    done, crosses = figure.axes[0].collections
    assert len(done.get_offsets()) == 4 * 24 and len(crosses.get_offsets()) == 4
    assert figure.axes[0].get_ylim()[1] > 1.01


def test_pruned_clouds_stand_in_rows_and_columns(figure):
    points = balls(2 * 3).reshape(2, 3, 60, 3)
    complete = np.array([[True, True, False], [True, False, False]])
    arrays = {"names": np.array(["mug_0", "bed_1"]), "percent": np.array([0, 80, 95])}
    pruning.draw_gallery(
        figure, [Held("pruned", {**arrays, "points": points, "complete": complete})]
    )
    figure.draw_without_rendering()
    assert len(figure.axes) == 6
    assert sum(len(axes.lines) for axes in figure.axes) == 3  # crosses
    assert [axes.get_title() for axes in figure.axes[:3]] == ["0 %", "80 %", "95 %"]


def test_quality_counts_what_is_lost(figure):
    ratio = np.array([[1.0, 1.1, 3.0], [1.0, 1.2, np.inf]])
    held = Held("pruned", {"percent": np.array([0, 80, 95]), "ratio": ratio})
    pruning.draw_quality(figure.subfigures(1, 1), [held])
    texts = {text.get_text() for text in figure.findobj(matplotlib.text.Text)}
    assert "× 1" in texts and "median over shapes" in texts


def test_health_and_layers_draw_every_shape_and_tensor(figure):
    curves_of = np.linspace(1, 0, 6).reshape(2, 3)
    arrays = {"percent": np.array([0, 80, 95]), "knows": curves_of, "accepted": curves_of}
    top, bottom = figure.subfigures(2, 1)
    pruning.draw_health(top, [Held("pruned", arrays)])
    names = np.array(["layers.0.weight", "layers.0.bias"])
    shares = {"names": names, "magnitude": np.array([0.1, 0.9]), "signed": np.array([0.0, 0.6])}
    pruning.draw_layers(bottom, [Held("pruned", shares)])
    figure.draw_without_rendering()
    assert [len(axes.lines) for axes in top.axes] == [3, 3]
    assert [round(bar.get_width(), 1) for bar in bottom.axes[0].patches] == [0.1, 0.9, 0.0, 0.6]


def test_pruned_lines_and_clouds_have_a_part_for_each_kind(figure):
    records = []
    for kind in ("weight", "same", "none"):
        arrays = dict(curves(kind).arrays)
        records.append(Held(kind, {**arrays, "unpruned": arrays["loss"], **line(kind).arrays}))
    for record in records:
        record.arrays["loss"] = np.tile(0.3 + LAMBDAS, (4, 1))
    top, bottom = figure.subfigures(2, 1)
    pruning.draw_paths(top, records)
    pruning.draw_clouds(bottom, records)
    figure.draw_without_rendering()
    assert [len(axes.lines) for axes in top.axes] == [1 + 4 + 1] * 3
    assert len(figure.axes) == 3 + 3 * 25


def test_the_diagonal_is_drawn_for_one_method_at_a_time(figure):
    records = []
    for experiment, value in (("same", 1.0), ("diff", 0.0)):
        for method in ("weight", "activation"):
            arrays = {"in_place": np.full((4, 4), value), "shape": np.repeat([0, 1], 2)}
            names = np.array(["generated/mug_0", "generated/bed_0"])
            records.append(Held(method, {**arrays, "names": names}, experiment))
    variations.draw_by_weights(figure, records)
    figure.draw_without_rendering()
    left, right = figure.axes
    assert [set(one.get_ydata()) for one in left.lines] == [{1.0}, {0.0}]
    assert len(right.lines) == 2 * 4
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["mug 0", "bed 0"]


def test_normalised_weights_have_a_curve_a_bar_and_a_block_each(figure):
    kinds = ("none", "raw", "single", "paired", "blind")
    arrays = {"lambdas": LAMBDAS} | {kind: np.tile(LAMBDAS, (3, 1)) for kind in kinds}
    top, middle, bottom = figure.subfigures(3, 1)
    variations.draw_minmax(top, [Held("weight", arrays)])
    shares = {kind: np.full((4, 3), 1 / 3) for kind in ("raw", "single", "paired")}
    names = {"groups": np.array(list("abcd")), "parts": np.array(["in", "bias", "out"])}
    variations.draw_influence(middle, [Held("none", {**shares, **names})])
    blocks = {"points": balls(75).reshape(3, 25, 60, 3), "complete": np.ones((3, 25), bool)}
    variations.draw_clouds(bottom, [Held("weight", blocks)])
    figure.draw_without_rendering()
    assert len(top.axes[0].lines) == 5
    assert [len(axes.patches) for axes in middle.axes] == [12] * 3
    assert len(figure.axes) == 1 + 3 + 75
