"""Exact linear pieces against the network itself, and against sampled areas."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from onebasin import seeds
from onebasin.errors import InputError
from onebasin.networks import Mlp, pieces


def network(widths: tuple[int, ...], seed: int) -> Mlp:
    return Mlp(widths, "relu", generator=seeds.stream("pieces", seed)).double()


def inside(corners: pieces.Polygon) -> torch.Tensor:
    return torch.tensor([[float(x), float(y)] for x, y in corners], dtype=torch.float64).mean(0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("widths", [(2, 3, 1), (2, 3, 2, 2), (2, 2, 2, 2, 1)])
def test_pieces_cover_the_square_and_hold_the_function(widths, seed):
    net = network(widths, seed)
    parts = pieces.pieces(pieces.layers(net.state_dict()))
    assert sum(pieces.area(part.corners) for part in parts) == 4
    for part in parts:
        want = net(inside(part.corners)[None])[0]
        middle = tuple(Fraction(v) for v in inside(part.corners).tolist())
        got = [float(pieces.at(affine, middle)) for affine in part.outputs]
        assert torch.allclose(torch.tensor(got, dtype=torch.float64), want, atol=1e-12, rtol=0)


def test_difference_is_exact_zero_only_for_equal_functions():
    net = network((2, 3, 2, 1), 0)
    one = pieces.layers(net.state_dict())
    scaled = {
        name: t * (4.0 if name.startswith("layers.0") else 1.0)
        for name, t in net.state_dict().items()
    }
    scaled["layers.1.weight"] = scaled["layers.1.weight"] / 4  # powers of two: no rounding
    same = pieces.difference(one, pieces.layers(scaled))
    assert pieces.largest(same) == 0 == pieces.square_integral(same)
    scaled["layers.2.bias"] = scaled["layers.2.bias"] + 2.0**-40
    other = pieces.difference(one, pieces.layers(scaled))
    assert pieces.largest(other) > 0
    assert float(pieces.square_integral(other)) == pytest.approx(4 * 2.0**-80, rel=1e-2)


def test_square_integral_against_a_fine_grid():
    one, two = network((2, 3, 2, 1), 1), network((2, 3, 2, 1), 2)
    cells = pieces.difference(*(pieces.layers(net.state_dict()) for net in (one, two)))
    axis = (torch.arange(400, dtype=torch.float64) + 0.5) / 200 - 1
    grid = torch.cartesian_prod(axis, axis)
    want = 4 * (one(grid) - two(grid)).square().mean()
    assert float(pieces.square_integral(cells)) == pytest.approx(want.item(), rel=1e-4)


def test_positive_part_and_intersection_have_the_right_area():
    state = {"layers.0.weight": torch.tensor([[1.0, 1.0]]), "layers.0.bias": torch.tensor([0.0])}
    half = pieces.positive(pieces.pieces(pieces.layers(state)))
    assert [pieces.area(polygon) for polygon in half] == [2]
    corner = tuple((Fraction(x), Fraction(y)) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1)))
    assert pieces.area(pieces.intersect(half[0], corner)) == 1
    opposite = tuple((-x, -y) for x, y in corner)
    assert pieces.intersect(half[0], opposite) == ()


def test_line_between_two_networks_is_the_average_of_weights():
    one, two = (pieces.layers(network((2, 2, 1), s).state_dict()) for s in (0, 1))
    middle = pieces.between(one, two, Fraction(1, 2))
    assert middle[0][1][0] == (one[0][1][0] + two[0][1][0]) / 2
    assert pieces.between(one, two, Fraction(0)) == one


def test_a_state_without_two_inputs_is_refused():
    with pytest.raises(InputError, match="two inputs"):
        pieces.layers(Mlp((3, 2, 1)).state_dict())
    with pytest.raises(InputError, match="two inputs"):
        pieces.layers({})
