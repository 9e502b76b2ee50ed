"""Parametric families: enough of them, every parameter counts, every draw is a sound mesh."""

from __future__ import annotations

import pytest
import torch

from onebasin.errors import InputError
from onebasin.shapes import families, primitives
from onebasin.shapes.clouds import normalise

pytest.importorskip("open3d")


def test_there_are_at_least_six_families_with_five_parameters():
    assert len(families.FAMILIES) >= 6
    for family in families.FAMILIES.values():
        assert len(family.ranges) >= 5
        assert all(low < high for low, high in family.ranges.values())


@pytest.mark.parametrize("family", families.FAMILIES)
def test_every_parameter_changes_the_shape(family):
    for name, (low, high) in families.FAMILIES[family].ranges.items():
        small, large = (families.build(family, **{name: value}) for value in (low, high))
        moved = (small.vertices - large.vertices).norm(dim=1).max()
        assert moved > 0.01, f"{family}: {name} does nothing"


@pytest.mark.parametrize("family", families.FAMILIES)
def test_draws_are_in_the_unit_ball_labelled_and_repeatable(family):
    first, again, other = (families.draw(family, number) for number in (4, 4, 5))
    radius = first.mesh.vertices.norm(dim=1).max()
    assert abs(radius - 1) < 1e-6
    assert first.label == list(families.FAMILIES).index(family)
    assert torch.equal(first.mesh.vertices, again.mesh.vertices)
    assert first.parameters == again.parameters != other.parameters
    assert families.named(first.name).parameters == first.parameters


def test_a_tube_is_open_and_a_frustum_has_its_radii():
    closed = primitives.cylinder(1.0, 2.0, top=0.5)
    low, high = (closed.vertices[:, 2] * side > 0.99 for side in (-1, 1))
    assert closed.vertices[low, :2].norm(dim=1).max() == pytest.approx(1.0)
    assert closed.vertices[high, :2].norm(dim=1).max() == pytest.approx(0.5)
    sides = primitives.tube(1.0, 2.0, top=0.5)
    lost = closed.areas().sum() - sides.areas().sum()
    assert float(lost) == pytest.approx(3.1416 * 1.25, rel=0.02)


def test_a_box_is_where_it_is_said_to_be():
    box = primitives.box((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    assert box.vertices.amin(0).tolist() == [3.5, 4.0, 4.5]
    assert float(box.areas().sum()) == pytest.approx(22.0)
    assert normalise(box.vertices).norm(dim=1).max() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: families.build("teapot"), "family"),
        (lambda: families.build("chair", wings=1.0), "wings"),
        (lambda: families.build("chair", width=9.0), "width"),
        (lambda: families.draw("teapot", 0), "family"),
        (lambda: families.draw("chair", -1), "number"),
        (lambda: families.named("chair"), "name"),
        (lambda: primitives.box((1.0, 0.0, 1.0)), "size"),
        (lambda: primitives.joined([]), "parts"),
    ],
)
def test_bad_requests_are_refused(call, named):
    with pytest.raises(InputError, match=named):
        call()
