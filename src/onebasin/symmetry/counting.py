"""How many permutation symmetries an architecture has, exactly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from onebasin.errors import InputError
from onebasin.symmetry.spec import Spec

#: Exponent of the upper estimate of atoms in the observable universe that [ainsworth2023] quotes.
ATOMS_LOG10 = 82

_VGG16 = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
_RESNET50 = ((64, 256, 3), (128, 512, 4), (256, 1024, 6), (512, 2048, 3))


@dataclass(frozen=True)
class Count:
    """Order of a product of symmetric groups, as powers of ten.

    Args:
        groups: Units of every group.
        exact: log10 of the order, the product of all factorials (dimensionless).
        floors: Sum of the rounded-down exponents of the single factorials.
        free: Number of groups.
    """

    groups: tuple[int, ...]
    exact: float
    floors: int

    @property
    def free(self) -> int:
        """Number of groups that may be permuted independently."""
        return len(self.groups)


def order(groups: Iterable[int]) -> int:
    r"""Number of elements :math:`\prod_g d_g!` of the group, as an exact integer.

    Raises:
        InputError: if a group has no unit.
    """
    sizes = tuple(groups)
    if any(size < 1 for size in sizes):
        raise InputError("groups", sizes, "every group needs at least one unit")
    return math.prod(math.factorial(size) for size in sizes)


def count(groups: Iterable[int]) -> Count:
    r"""Count the permutations of an architecture's hidden units.

    .. math:: \log_{10} |G| = \sum_g \log_{10} d_g!

    The factorials are multiplied as integers, so only the final logarithm is rounded.

    Source: [ainsworth2023], Table 1; its exponents are :attr:`Count.floors`, where every group's
    exponent is rounded down before the sum.

    Args:
        groups: Units of every independent group, e.g. ``spec.sizes(state).values()``.

    Raises:
        InputError: if a group has no unit.
    """
    sizes = tuple(groups)
    floors = sum(_exponent(math.factorial(size)) for size in sizes)
    return Count(sizes, math.log10(order(sizes)), floors)


def free_sizes(spec: Spec, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """Units of every group of a spec that may be permuted by itself, for :func:`count`.

    A group that comes in blocks is as many free groups as there are blocks, and the blocks are one
    more, which they may share with other groups. One unit alone is no group.

    Args:
        spec: The groups.
        sizes: Units of each, as given by :meth:`Spec.sizes`.
    """
    known = dict(sizes) | {name: blocks for name, blocks in spec.nested.values()}
    found: list[int] = []
    for name, units in known.items():
        blocks = spec.nested[name][1] if name in spec.nested else 1
        found += [units // blocks] * blocks
    return tuple(units for units in found if units > 1)


def mlp_groups(width: int, hidden: int) -> tuple[int, ...]:
    """Hidden layers of a multilayer perceptron, one group each."""
    return (width,) * hidden


def vgg16_groups(dense: Sequence[int] = (4096, 4096)) -> tuple[int, ...]:
    """VGG16: the channels of 13 convolutions and the units of its hidden dense layers.

    Source: [ainsworth2023], Table 1, whose number fits two dense layers of 4096.
    """
    return _VGG16 + tuple(dense)


def resnet50_groups(*, tied: bool = True) -> tuple[int, ...]:
    """ResNet50: groups of channels of its convolutions.

    A skip connection adds the input of a block to its output, channel by channel, so that all
    block outputs of a stage (and the convolution on the first skip) share one group.

    Args:
        tied: Whether to respect the skips. ``False`` counts the output of all 49 convolutions off
            the skips as free, which is more than the network's symmetries.
    """
    groups = [64]
    for inner, outer, blocks in _RESNET50:
        groups += [inner, inner] * blocks + [outer] * (1 if tied else blocks)
    return tuple(groups)


def _exponent(number: int) -> int:
    """The largest k with 10^k <= number, exact where the floating logarithm is at an edge."""
    guess = int(math.log10(number))
    return guess + (10 ** (guess + 1) <= number) - (10**guess > number)
