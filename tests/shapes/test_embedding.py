"""Parts of variance and relative distances: planted cases whose answers are known."""

from __future__ import annotations

import pytest
import torch

from onebasin.errors import InputError
from onebasin.seeds import stream
from onebasin.shapes.embedding import relative_distance, variance_shares


def draws(*size, name):
    return torch.randn(*size, generator=stream(name))


def test_planted_causes_are_found():
    shape, start = draws(6, 1, 9, name="shape"), draws(1, 5, 9, name="start")
    only_shape, only_start = (
        variance_shares(shape.expand(6, 5, 9)),
        variance_shares(start.expand(6, 5, 9)),
    )
    assert only_shape.shape == pytest.approx(1) and only_shape.start == pytest.approx(0)
    assert only_start.start == pytest.approx(1) and only_start.rest == pytest.approx(0)
    both = variance_shares(3 * shape + start)
    assert both.rest == pytest.approx(0) and both.shape > 0.7 > both.start > 0


def test_chance_gives_each_cause_its_degrees_of_freedom():
    noise = variance_shares(draws(6, 5, 4000, name="noise"))
    assert noise.shape == pytest.approx(5 / 29, abs=0.01)
    assert noise.start == pytest.approx(4 / 29, abs=0.01)


def test_without_contrast_there_is_no_answer():
    with pytest.raises(InputError, match="two shapes"):
        variance_shares(torch.rand(1, 4, 3))
    with pytest.raises(InputError, match="no variance"):
        variance_shares(torch.ones(2, 4, 3))


def test_relative_distance_at_known_angles():
    a, b = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    expected = torch.tensor([2**0.5, 2.0], dtype=torch.float64)
    torch.testing.assert_close(relative_distance(a, b), expected)
    assert (relative_distance(a, a) == 0).all()
