"""The loss between two networks with batch normalisation, whose statistics follow a policy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from onebasin.connectivity.line import Line, Loss, loss_along_line, positions
from onebasin.merging.batchnorm import Policy, between
from onebasin.symmetry.spec import State


@torch.no_grad()
def loss_along_normalised(
    network: nn.Module,
    ref: State,
    other: State,
    loss: Loss,
    data: tuple[Tensor, Tensor],
    *,
    policy: Policy = "reset",
    seen: Tensor | None = None,
    lambdas: int | Sequence[float] = 25,
    batch: int = 500,
) -> Line:
    r"""Loss on the way from ``ref`` to ``other``, each network with the statistics of a policy.

    The network at :math:`\lambda` is :func:`onebasin.merging.batchnorm.between` of the two ends,
    which themselves keep the statistics they come with.
    With the policy ``"none"``, or without batch normalisation, the way is the straight line.

    Args:
        network: The kind of network, in evaluation mode.
        ref: Weights and statistics at lambda 0, of one network or of a stack.
        other: The same at lambda 1, already aligned.
        loss: ``loss(output, target)`` of one network, a mean over samples.
        data: Inputs and targets ``[samples ...]`` that the loss is measured on.
        policy: ``"none"``, ``"reset"`` or ``"repair"``.
        seen: Inputs that statistics are estimated on; needed unless the policy is ``"none"``.
        lambdas: How many points, ends included, or the points themselves.
        batch: Samples run at once.

    Returns:
        Losses in float64.

    Raises:
        InputError: for an unknown policy, or one that needs inputs and has none.
    """
    places = positions(lambdas)
    stops = []
    for lam in places.tolist():
        here = between(network, ref, other, lam, policy=policy, inputs=seen, batch=batch)
        stops.append(loss_along_line(network, here, here, loss, data, lambdas=[0.0], chunk=batch))
    return Line(places, torch.cat([stop.loss for stop in stops], -1))
