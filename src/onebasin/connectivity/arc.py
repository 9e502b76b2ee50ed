"""The arc between two networks: interpolation on a sphere instead of a straight line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onebasin.connectivity.line import Line, interpolate, positions
from onebasin.errors import InputError
from onebasin.networks.inputs import owned
from onebasin.networks.population import call
from onebasin.symmetry.spec import State

Loss = Callable[[Tensor, Tensor], Tensor]

#: Below this angle (radians) arc and line are one to rounding.
_SMALL = 1e-4


def slerp(ref: State, other: State, lam: float, *, stacked: bool = False) -> dict[str, Tensor]:
    r"""Weights on the arc from ``ref`` to ``other``, all of a network's numbers as one vector.

    .. math:: \theta_\lambda = \frac{\sin((1-\lambda)\Omega)}{\sin\Omega}\,\theta_A
              + \frac{\sin(\lambda\Omega)}{\sin\Omega}\,\theta_B, \qquad
              \cos\Omega = \frac{\langle\theta_A,\theta_B\rangle}{\|\theta_A\| \|\theta_B\|}

    Between vectors of one length every :math:`\theta_\lambda` has that length too, where the line
    passes closer to zero. A network of zeros has no direction, and the way from or to it is the
    line. Integers are taken from ``ref``.

    Source: [ainsworth2023], §5, footnote 3, which does not say over which vectors; Shoemake (1985).

    Args:
        ref: Weights at 0, of one network or of a stack.
        other: Weights at 1.
        lam: Place on the arc.
        stacked: Whether the tensors have a leading models dimension, each network with its angle.

    Raises:
        InputError: if the two have different tensors, or point exactly away from each other.
    """
    line = interpolate(ref, other, lam)
    if lam in (0, 1):
        return line
    angle = _angle(ref, other, stacked)
    if not (angle.sin() > 1e-9)[angle > _SMALL].all():
        raise InputError("other", "-ref", "points exactly away from ref: there are many arcs")
    first, second = (((1 - lam) * angle).sin() / angle.sin(), (lam * angle).sin() / angle.sin())
    near = angle <= _SMALL

    def mix(name: str, straight: Tensor) -> Tensor:
        if not straight.is_floating_point():
            return straight
        shape = (-1, *[1] * (straight.ndim - 1)) if stacked else ()
        parts = (t.to(straight).reshape(shape) for t in (first, second))
        a, b = parts
        arc = a * ref[name] + b * other[name]
        return torch.where(near.reshape(shape), straight, arc)

    return {name: mix(name, straight) for name, straight in line.items()}


@torch.no_grad()
def loss_along_arc(
    network: nn.Module,
    ref: State,
    other: State,
    loss: Loss,
    data: tuple[Tensor, Tensor],
    *,
    lambdas: int | Sequence[float] = 25,
    chunk: int = 5000,
) -> Line:
    """Loss at points of the arc between two networks, or of many arcs at once.

    Args:
        network: The kind of network; its own parameters are not used.
        ref: Weights at lambda 0, of one network or of a stack.
        other: Weights at lambda 1.
        loss: ``loss(output, target)`` of one network, a mean over samples.
        data: Inputs and targets ``[samples ...]``, shared, or both ``[models samples ...]``.
        lambdas: How many points, ends included, or the points themselves.
        chunk: Most samples run at once.

    Returns:
        Losses in float64, as :func:`onebasin.connectivity.line.loss_along_line` gives them.

    Raises:
        InputError: as :func:`slerp` does, or if there are no data, or they do not fit the networks.
    """
    name, own = next(iter(network.named_parameters()))
    stacked = ref[name].ndim > own.ndim
    count = len(ref[name]) if stacked else 1
    inputs, targets = data
    apart = owned(network, data, count if stacked else None)
    axis = 1 if apart else 0
    places = positions(lambdas)
    total = torch.zeros(count, len(places), dtype=torch.float64)
    for p, lam in enumerate(places.tolist()):
        state = slerp(ref, other, lam, stacked=stacked)
        parts = zip(inputs.split(chunk, axis), targets.split(chunk, axis), strict=True)
        for x, y in parts:
            outputs = call(network, state, x, own=apart)
            for k, output in enumerate(outputs if stacked else [outputs]):
                share = x.shape[axis] / inputs.shape[axis]
                total[k, p] += float(loss(output, y[k] if apart else y)) * share
    return Line(places, total if stacked else total[0])


def _angle(ref: State, other: State, stacked: bool) -> Float[Tensor, "*models"]:
    """Angle between the networks as vectors (radians), float64; 0 where one is zero."""
    lead = 1 if stacked else 0
    names = [name for name, tensor in ref.items() if tensor.is_floating_point()]

    def product(one: State, two: State) -> Tensor:
        terms = [(one[n].double() * two[n].double()).flatten(lead).sum(-1) for n in names]
        return torch.stack(terms).sum(0)

    norms = (product(ref, ref) * product(other, other)).sqrt()
    cosine = torch.where(norms > 0, product(ref, other) / norms, 1.0)
    return cosine.clamp(-1, 1).acos()
