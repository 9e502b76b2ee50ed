"""The figures of the INR chapters draw from arrays alone, and give no target away."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from onebasin.plotting import inrs, line, render, styled

matplotlib = pytest.importorskip("matplotlib")
LAMBDAS = np.linspace(0, 1, 25)


@dataclass
class Held:
    """What a drawing function needs of a record."""

    method: str = "none"
    arrays: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)

    def load_arrays(self):
        return self.arrays

    def values(self, name):
        return np.asarray(self.metrics[name])


@pytest.fixture
def figure():
    from matplotlib.figure import Figure

    with styled():
        yield Figure(figsize=(6.4, 4.0), layout="constrained")


def ball(points, seed=0):
    cloud = np.random.default_rng(seed).normal(size=(points, 3))
    return cloud / np.linalg.norm(cloud, axis=1, keepdims=True)


def bumps(*centres):
    index = np.arange(25)
    return 0.3 + sum(np.exp(-(((index - c) / 1.5) ** 2)) for c in centres)


def paths(shapes=2):
    forms = {"same": (), "none": (3, 21), "weight": (12,), "activation": (4, 20)}
    records = []
    for method, centres in forms.items():
        loss = np.stack([bumps(*centres) + np.zeros(25) for _ in range(2 * shapes)])
        names = np.array([f"generated/chair_{k}" for k in range(shapes)])
        of = np.repeat(np.arange(shapes), 2)
        arrays = {"lambdas": LAMBDAS, "loss": loss, "shape": of, "names": names}
        arrays |= {"fewer": loss, "more": loss, "batches": np.array([250, 1000])}
        arrays |= {"widths": np.array([32, 64] * shapes)}
        records.append(Held(method, arrays))
    return records


def gallery(shapes=3, points=400):
    clouds = np.stack([ball(points, k) for k in range(shapes)]).astype(np.float16)
    picture = np.stack([inrs.picture(cloud) for cloud in clouds])
    arrays = {"names": np.array([f"mug_{k}" for k in range(shapes)]), "pictures": picture}
    arrays |= {"labels": picture[:, :64, :64], "answers": picture[:, :64, :64], "points": clouds}
    return Held(arrays={**arrays, "errors": np.full((shapes, points), 0.01, np.float16)})


def test_a_projection_keeps_lengths():
    points = ball(50)
    seen = inrs.project(points)
    assert np.allclose(np.linalg.norm(seen, axis=1), 1)
    up = inrs.project(np.array([[0, 0, 1.0]]), (0.3, 0.0))[0]
    assert np.allclose(up, [0, 1, 0])


def test_a_picture_is_small_and_nearer_is_brighter():
    image = inrs.picture(ball(50_000), pixels=48)
    assert image.shape == (48, 48) and image.dtype == np.uint8
    assert image[24, 24] > 200 and image[0, 0] == 0
    assert image[image > 0].min() >= 40


def test_the_gallery_has_four_rows_and_a_column_for_each_shape(figure):
    inrs.draw_gallery(figure, [gallery()])
    kind, content = render(figure)
    assert len(figure.axes) == 4 * 3 + 1 and content
    assert kind == "image/png" or len(content) < 600_000


def test_the_view_and_its_static_twin_show_only_what_was_read_back(figure):
    pytest.importorskip("plotly")
    held = gallery(points=900)
    shown = inrs.view([held]).data[0]
    assert len(shown.x) == 900 <= 4096
    inrs.draw_view(figure, [held])
    marks = [collection for axes in figure.axes[:3] for collection in axes.collections]
    assert [len(one.get_offsets()) for one in marks] == [900] * 3


def test_training_and_accuracy_draw_every_shape(figure):
    arrays = {"steps": np.arange(5), "loss": np.linspace(0.7, 0.3, 10).reshape(5, 2)}
    inrs.draw_training(
        figure.subfigures(1, 1), [Held(arrays=arrays, metrics={"floor": [0.2, 0.3]})]
    )
    assert len(figure.findobj(matplotlib.lines.Line2D)) >= 3
    metrics = {"chamfer": [0.1, 0.2], "sampling": [0.01, 0.02], "other": [0.5, 0.6]}
    held = Held(arrays={"labels_of": np.array(["mug_0", "bed_1"])}, metrics=metrics)
    inrs.draw_accuracy(figure.subfigures(1, 1), [held])
    assert {"mug 0", "bed 1"} <= {text.get_text() for text in figure.findobj(matplotlib.text.Text)}


@pytest.mark.parametrize("draw", [line.draw_weight, line.draw_activation])
@pytest.mark.parametrize("shapes", [1, 6, 12])
def test_small_multiples_share_one_axis(figure, draw, shapes):
    draw(figure, paths(shapes))
    figure.draw_without_rendering()
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == min(shapes, 8)
    assert len({axes.get_ylim() for axes in shown}) == 1
    assert len(shown[0].lines) == 3 * (2 + 1)


def test_peaks_are_counted_at_their_stops(figure):
    line.draw_peaks(figure, paths())
    heights = [[bar.get_height() for bar in axes.containers[0]] for axes in figure.axes]
    assert [k for k, height in enumerate(heights[0]) if height == 1] == [3, 21]
    assert [k for k, height in enumerate(heights[2]) if height == 1] == [12]


def test_causes_have_three_panels_with_every_pair(figure):
    loss = paths()[2].arrays["loss"]
    arrays = {"lambdas": LAMBDAS, "all": loss, "blind": loss, "starts": loss}
    line.draw_causes(figure, [Held("weight", arrays)])
    assert [len(axes.lines) for axes in figure.axes] == [1 + len(loss) + 1] * 3


def test_batches_and_widths_draw_a_curve_each(figure):
    line.draw_batch(figure.subfigures(1, 1), paths())
    line.draw_width(figure.subfigures(1, 1), paths())
    figure.draw_without_rendering()
    labels = {text.get_text() for text in figure.findobj(matplotlib.text.Text)}
    assert {"250 points a step", "1,000 points a step", "width 32", "width 64"} <= labels
