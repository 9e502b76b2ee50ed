"""Two networks of closed form that no permutation connects (Git Re-Basin, section 4 and A.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin.networks import pieces as exact
from onebasin.networks.mlp import Mlp
from onebasin.symmetry import Permutation, Scaling, apply, chain

WIDTHS = (2, 2, 2, 1)
SPEC = chain(3)
_SPREAD = 3.0  # random scales lie between e^-3 and e^3

QUADRANT: exact.Polygon = tuple(
    (Fraction(x), Fraction(y)) for x, y in ((-1, 0), (0, 0), (0, 1), (-1, 1))
)
"""Where the label is 1: first input negative, second positive."""


def pair(dtype: torch.dtype = torch.float64) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The two 2-2-2-1 ReLU networks, as states with a zero last bias.

    >>> from onebasin.networks import pieces
    >>> ref, other = map(pieces.layers, pair())
    >>> wrong(ref), wrong(other), pieces.largest(pieces.difference(ref, other))
    (Fraction(0, 1), Fraction(0, 1), Fraction(0, 1))

    Both classify the square [-1, 1]^2 without an error; they are even equal on it.

    Args:
        dtype: Floating type of the tensors.

    Returns:
        ``(ref, other)``: model A, whose first layer looks at the second input, and model B,
        whose first layer looks at the first.

    Source: [ainsworth2023], eq. 4 and 5.
    """

    def state(numbers: Sequence[object]) -> dict[str, Tensor]:
        return {
            name: torch.tensor(n, dtype=dtype) for name, n in zip(SPEC.axes, numbers, strict=True)
        }

    last = ([[-1, -1]], [0])
    ref = state([[[-1, 0], [0, -1]], [1, 0], [[-1, 0], [0, 1]], [1, 0], *last])
    other = state([[[1, 0], [0, 1]], [0, 1], [[1, 0], [0, -1]], [0, 1], *last])
    return ref, other


def permutations() -> list[Permutation]:
    """All four permutations of the two hidden layers, the identity first."""
    ways = (torch.tensor([0, 1]), torch.tensor([1, 0]))
    return [Permutation(SPEC, {"hidden.0": p, "hidden.1": q}) for p, q in product(ways, ways)]


def sample(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points drawn uniformly from the square, and their labels.

    Args:
        count: How many.
        generator: Stream of the draw.

    Returns:
        Inputs ``[count 2]`` and labels ``[count]`` (bool), true in the open quadrant.

    Source: [ainsworth2023], A.3.
    """
    inputs = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 2 - 1
    return inputs, (inputs[:, 0] < 0) & (inputs[:, 1] > 0)


def called_positive(
    network: Sequence[exact.Layer], threshold: Fraction = Fraction(0)
) -> list[exact.Polygon]:
    """Where a network of one output answers at least ``threshold``, as convex polygons."""
    rows, bias = network[-1]
    moved = [*network[:-1], (rows, tuple(b - threshold for b in bias))]
    return exact.positive(exact.pieces(moved))


def wrong(network: Sequence[exact.Layer], threshold: Fraction = Fraction(0)) -> Fraction:
    """Share of the square that a network classifies wrongly, exactly.

    Args:
        network: Layers as fractions, one output.
        threshold: A point is called positive if the output is at least this.

    Returns:
        A fraction between 0 and 1; edges have no area and do not count.
    """
    called = called_positive(network, threshold)
    hit = [exact.intersect(polygon, QUADRANT) for polygon in called]
    both = sum((exact.area(polygon) for polygon in hit if polygon), Fraction(0))
    total = sum((exact.area(polygon) for polygon in called), Fraction(0))
    return (total + exact.area(QUADRANT) - 2 * both) / exact.area(exact.SQUARE)


def distance(ref: Sequence[exact.Layer], other: Sequence[exact.Layer]) -> Fraction:
    """Mean squared difference of two networks over the square, exactly (squared output)."""
    return exact.square_integral(exact.difference(ref, other)) / exact.area(exact.SQUARE)


def widen(state: Mapping[str, Tensor], first: int = 0, second: int = 0) -> dict[str, Tensor]:
    """The same function with idle units: all their weights and their bias are zero.

    Args:
        state: A 2-2-2-1 network.
        first: Idle units added to the first hidden layer.
        second: Idle units added to the second.
    """
    grow = {"hidden.0": first, "hidden.1": second, None: 0}
    wide = {}
    for name, on in SPEC.axes.items():
        margins = [side for group in reversed(on) for side in (0, grow[group])]  # type: ignore[index]
        wide[name] = torch.nn.functional.pad(state[name], margins)
    return wide


def search_scales(
    permutation: Permutation,
    trials: int,
    generator: torch.Generator,
    *,
    side: int = 24,
    lambdas: int = 61,
) -> Float[Tensor, " trials"]:
    """Barriers in classification error when ``other`` is permuted and randomly rescaled.

    Works on a grid of points in floating point, so it can look at many scalings; positions on the
    path are crowded at both ends (evenly spaced in log-odds), where large scales do their work.

    Args:
        permutation: Applied to ``other`` first.
        trials: Scalings drawn, their logarithms uniform in [-3, 3].
        generator: Stream of the draw.
        side: Points per side of the square's grid.
        lambdas: Positions on the path.

    Returns:
        For each scaling the largest share of grid points classified wrongly along the path.
    """
    ref, other = pair()
    draw = torch.rand(2, trials, 2, generator=generator, dtype=torch.float64)
    scales = ((2 * draw - 1) * _SPREAD).exp()
    scaling = Scaling(SPEC, {"hidden.0": scales[0], "hidden.1": scales[1]})
    stack = {name: tensor.expand(trials, *tensor.shape) for name, tensor in other.items()}
    moved = apply(scaling, apply(permutation, stack))
    axis = (torch.arange(side, dtype=torch.float64) + 0.5) / side * 2 - 1
    inputs = torch.cartesian_prod(axis, axis)
    labels = (inputs[:, 0] < 0) & (inputs[:, 1] > 0)
    network, worst = Mlp(WIDTHS), torch.zeros(trials, dtype=torch.float64)
    for lam in torch.linspace(-9, 9, lambdas, dtype=torch.float64).sigmoid():
        state = {name: torch.lerp(ref[name].expand_as(t), t, lam) for name, t in moved.items()}
        called = network.run(state, inputs)[..., 0] >= -1e-9  # the quadrant lies on the threshold
        worst = torch.maximum(worst, (called != labels).double().mean(-1))
    return worst
