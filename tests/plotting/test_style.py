"""The one look: every method can be told apart, by anyone; equal figures are equal bytes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from onebasin import plotting, registry
from onebasin.errors import InputError
from onebasin.plotting import panels, style
from onebasin.records import Metric, Record
from test_records import example

# Colours of the style table, methods to come included.
TABLE = {
    "none": "#4D4D4D",
    "weight": "#005A9C",
    "activation": "#BF8400",
    "gradient": "#B23A00",
    "entropic": "#008A64",
    "joint": "#B5568C",
    "learned": "#3D9BD4",
    "same": "#789850",
    "sign": "#8868E8",
    "sign + phase": "#4010A8",
    "hyper-matching": "#9010F8",
    "pruned": "#683018",
}

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
SEPARABLE = 15.0  # CIELAB distance; 2.3 is just noticeable side by side


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    ratio = TO_XYZ @ light / WHITE
    cut = 6 / 29
    f = np.where(ratio > cut**3, np.cbrt(ratio), ratio / (3 * cut**2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one: str, two: str, vision: str) -> float:
    seen = [lab(np.clip(VISION[vision] @ linear(colour), 0, 1)) for colour in (one, two)]
    return float(np.linalg.norm(seen[0] - seen[1]))


def contrast(colour: str) -> float:
    """Contrast ratio on white (WCAG)."""
    return 1.05 / (float(TO_XYZ[1] @ linear(colour)) + 0.05)


def hues() -> dict[str, str]:
    """Every colour in use or reserved; hollow entries share the hue of what they repair."""
    used = {name: method.colour for name, method in registry.methods().items() if not method.hollow}
    return {**TABLE, **used}


def test_registered_colours_are_those_of_the_table():
    for name, method in registry.methods().items():
        assert TABLE.get(name, method.colour) == method.colour


@pytest.mark.parametrize("vision", sorted(VISION))
def test_every_pair_can_be_told_apart(vision):
    colours = {**hues(), "end points": style.ENDS}
    for one, two in itertools.combinations(colours, 2):
        if colours[one] != colours[two]:
            assert distance(colours[one], colours[two], vision) >= SEPARABLE, (one, two)


def test_colour_is_not_shared_by_two_methods():
    used = [method.colour for method in registry.methods().values() if not method.hollow]
    assert len(set(used)) == len(used)


@pytest.mark.parametrize("name", sorted(hues()))
def test_every_hue_stands_out_on_white(name):
    assert contrast(hues()[name]) >= 3


def test_the_check_itself_can_fail():
    assert distance("#00A000", "#B08000", "deuteranopia") < SEPARABLE
    assert distance("#00A000", "#B08000", "usual") > SEPARABLE
    assert contrast("#FFD700") < 3 and abs(contrast("#000000") - 21) < 1e-9


def test_marker_and_dash_tell_methods_apart_without_colour():
    looks = [(method.marker, method.dash, method.hollow) for method in registry.methods().values()]
    assert len(set(looks)) == len(looks)


def test_method_style_is_what_plot_takes():
    look = plotting.method_style("weight", label="ours")
    assert look["color"] == "#005A9C" and look["label"] == "ours" and look["marker"] == "o"
    assert plotting.method_style("none")["marker"] is None
    with pytest.raises(InputError, match="not registered"):
        plotting.method_style("telepathy")


def sample(panel, records) -> None:
    axes = panel.subplots()
    axes.plot([0, 1], [0, records[0].values("top")[0]], **plotting.method_style("weight"))
    plotting.band(axes, np.array([0, 1]), np.array([0, 0]), np.array([1, 1]), "#005A9C")
    plotting.cut_mark(axes)
    plotting.cut_mark(axes, "x")
    axes.set(xlabel="lambda", ylabel="loss (nats)")
    axes.legend()


def top(profile: str, value: float) -> list[Record]:
    return [example(profile=profile, metrics={"top": Metric((value,), "nats")})]


GROUPS = [top("smoke", 1.0), top("gpu", 9.0)]


def test_style_ignores_the_users_settings_and_leaves_them_alone():
    import matplotlib

    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30}):
        one = plotting.render(plotting.compare(sample, GROUPS))
        assert matplotlib.rcParams["lines.linewidth"] == 9
    assert one == plotting.render(plotting.compare(sample, GROUPS))


def test_panels_are_stamped_and_share_one_range():
    figure = plotting.compare(sample, GROUPS)
    assert tuple(figure.get_size_inches()) == (6.4, 8.0)
    assert [panel.get_suptitle() for panel in figure.subfigs] == ["smoke · cpu", "gpu · cpu"]
    one, two = (axes.get_ylim() for axes in figure.axes)
    assert one == two and two[1] > 9
    free = plotting.compare(sample, GROUPS, share=False)
    assert free.axes[0].get_ylim()[1] < 2


def test_panels_side_by_side_keep_the_width():
    figure = plotting.compare(sample, GROUPS, across=True, height=3.0)
    assert tuple(figure.get_size_inches()) == (6.4, 3.0)


def test_different_kinds_of_axes_do_not_share():
    def other(panel, records):
        axes = panel.subplots()
        axes.plot([0, 1], [0, records[0].values("top")[0]])
        axes.set_ylabel(records[0].profile)

    axes = panels.compare(other, GROUPS).axes
    assert axes[0].get_ylim() != axes[1].get_ylim()


def test_marks_are_counted_in_lines_scatters_and_meshes():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.plot(range(10))
    axes.scatter(range(20), range(20))
    axes.pcolormesh(np.zeros((5, 6)))
    assert style.count_marks(axes.figure) == 10 + 20 + 30


def test_faces_of_a_surface_count():
    from matplotlib.figure import Figure

    figure = Figure()
    grid = np.linspace(0, 1, 50)
    figure.add_subplot(projection="3d").plot_surface(
        *np.meshgrid(grid, grid), np.zeros((50, 50)), rcount=50, ccount=50
    )
    assert plotting.render(figure)[0] == "image/png"


def test_files_carry_no_date_and_no_version():
    kind, content = plotting.render(plotting.compare(sample, GROUPS))
    assert kind == "image/svg+xml" and b"dc:date" not in content and b"dc:creator" not in content

    def many(panel, records):
        panel.subplots().scatter(range(3000), range(3000), s=1)

    kind, content = plotting.render(plotting.compare(many, GROUPS))
    assert kind == "image/png" and b"Software" not in content and b"tIME" not in content
    assert content == plotting.render(plotting.compare(many, GROUPS))[1]
