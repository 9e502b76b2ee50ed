import math

import pytest

from onebasin.errors import InputError
from onebasin.symmetry import counting


def test_order_is_the_product_of_factorials():
    assert counting.order([3, 1, 4]) == 6 * 24
    assert counting.order([]) == 1


@pytest.mark.parametrize(
    ("groups", "floors", "exact"),
    [
        (counting.mlp_groups(512, 3), 3498, 3499.62),
        (counting.vgg16_groups(), 35160, 35168.55),
        (counting.resnet50_groups(tied=False), 55109, 55138.90),
        (counting.resnet50_groups(), 25616, 25638.29),
    ],
)
def test_exponents_of_known_architectures(groups, floors, exact):
    count = counting.count(groups)
    assert count.floors == floors
    assert count.exact == pytest.approx(exact, abs=0.005)
    assert count.exact == pytest.approx(
        sum(math.lgamma(d + 1) for d in groups) / math.log(10), rel=1e-12
    )


def test_resnet50_has_49_convolutions_off_the_skips_and_ties_16_of_them():
    assert counting.count(counting.resnet50_groups(tied=False)).free == 49
    assert counting.count(counting.resnet50_groups()).free == 49 - 16 + 4


@pytest.mark.parametrize("units", [1, 2, 13, 70])
def test_floors_are_exact_at_the_edges(units):
    floors = counting.count([units]).floors
    assert 10**floors <= math.factorial(units) < 10 ** (floors + 1)


def test_empty_group_is_refused():
    with pytest.raises(InputError, match="at least one unit"):
        counting.count([3, 0])
