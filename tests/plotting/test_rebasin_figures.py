"""The figures of the chapters on Git Re-Basin draw from records' arrays and metrics alone."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from onebasin.plotting import merging, onset, render, styled
from onebasin.records import Metric

matplotlib = pytest.importorskip("matplotlib")
LAMBDAS = np.linspace(0, 1, 25)
BUMP = np.exp(-(((LAMBDAS - 0.5) / 0.2) ** 2))
METHODS = {"none": 1.5, "weight": 0.1, "activation": 0.2, "straight-through": 0.0}


@dataclass
class Held:
    """What a drawing function needs of a record."""

    method: str = "none"
    arrays: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)

    def load_arrays(self):
        return self.arrays


@pytest.fixture
def figure():
    from matplotlib.figure import Figure

    with styled():
        yield Figure(figsize=(6.4, 4.0), layout="constrained")


def lines():
    records = []
    for method, height in METHODS.items():
        loss = np.stack([0.3 + height * BUMP, 0.4 + height * BUMP])
        kinds = {f"{split}_loss": loss for split in ("train", "test")}
        kinds |= {f"{split}_accuracy": 1 - loss / 3 for split in ("train", "test")}
        metrics = {"barrier": Metric((height, height + 0.1), "nats")}
        metrics["time"] = Metric((0.1, 0.2), "seconds")
        records.append(Held(method, {"lambdas": LAMBDAS, **kinds}, metrics))
    return records


def epochs():
    records = []
    for method in ("none", "weight"):
        loss = np.stack([2.3 - 0.01 * BUMP, 1 + BUMP, 0.3 + METHODS[method] * BUMP])
        curves = np.repeat(loss[:, None], 3, axis=1)
        height = np.array([0.0, 1.0, METHODS[method]])[:, None] + np.zeros((3, 3))
        arrays = {"epochs": np.array([0, 1, 20]), "lambdas": LAMBDAS, "loss": curves}
        records.append(Held(method, {**arrays, "barrier": height}))
    return records


def variants():
    names = np.array(["line", "arc", "all images", "a tenth", "correlation"])
    return [Held(arrays={"names": names, "barrier": np.arange(15.0).reshape(5, 3) / 10})]


def start():
    arrays = {name: np.full((1, 3), -0.001) for name in ("plain", "matched", "own")}
    return [Held("weight", {**arrays, "random": np.full((4, 3), 0.001)})]


FIGURES = {
    "lines": (merging.draw_lines, lines),
    "cost": (merging.draw_cost, lines),
    "variants": (merging.draw_variants, variants),
    "epochs": (onset.draw_epochs, epochs),
    "early and late": (onset.draw_lines, epochs),
    "start": (onset.draw_start, start),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_labelled_axes(figure, name):
    draw, records = FIGURES[name]
    draw(figure, records())
    axes = figure.get_axes()
    assert any(one.get_ylabel() for one in axes) and all(one.has_data() for one in axes)
    kind, content = render(figure)
    assert kind == "image/svg+xml" and len(content) > 5000


def test_a_barrier_of_zero_is_drawn_at_the_floor_of_the_logarithmic_axis(figure):
    merging.draw_cost(figure, lines())
    axes = figure.get_axes()[0]
    drawn = [float(one.get_offsets()[:, 1].min()) for one in axes.collections]
    assert min(drawn) == pytest.approx(1e-3) and axes.get_yscale() == "log"


def test_the_ratio_leaves_out_the_start_where_no_barrier_is(figure):
    onset.draw_epochs(figure, epochs())
    right = figure.get_axes()[1]
    assert [label.get_text() for label in right.get_xticklabels()] == ["1", "20"]
