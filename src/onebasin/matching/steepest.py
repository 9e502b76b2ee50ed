"""The permutation of the other network towards which the loss of the first falls most steeply."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.matching.capture import check_evaluating
from onebasin.matching.descent import WeightOptions
from onebasin.matching.result import Match
from onebasin.matching.weight import weight_match
from onebasin.networks import population
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.spec import Spec, State

Loss = Callable[[Tensor, Tensor], Tensor]


def steepest_match(
    spec: Spec,
    ref: State,
    other: State,
    *,
    gradient: State,
    seed: int = 0,
    options: WeightOptions | None = None,
) -> Match[Permutation]:
    r"""Permute ``other`` so that the loss of ``ref`` falls as fast as it can on the way there.

    .. math:: \min_\pi \frac{d}{d\lambda} \mathcal{L}\bigl(\theta_A
        + \lambda (\pi(\theta_B) - \theta_A)\bigr) \Big|_{\lambda = 0}
        = \min_\pi \langle \nabla\mathcal{L}(\theta_A), \pi(\theta_B) - \theta_A \rangle

    That is weight matching of ``other`` to :math:`-\nabla\mathcal{L}(\theta_A)`: exact by one
    assignment where there is one group of units, by coordinate descent otherwise.

    Source: [ainsworth2023], A.7, eq. (6), (7), called there a failed idea: the loss does fall
    first, and then meets a high barrier.

    Args:
        spec: The groups.
        ref: One network, or a stack of them.
        other: The networks to be permuted, one for each of ref.
        gradient: Gradient of the loss at ref, from :func:`loss_gradient`.
        seed: Number of the random order of groups.
        options: Limits and tolerances; several ``restarts`` help, since nothing singles out the
            identity as a start.

    Returns:
        Permutation of ``other``; the objective is minus the slope at ref, in units of the loss.

    Raises:
        InputError: if the networks and the gradient do not fit one another.
    """
    spec.check_pair(ref, other)
    lost = sorted(set(spec.compared) - set(gradient))
    if lost:
        raise InputError("gradient", lost, "lacks these tensors; pass what loss_gradient returns")
    downhill = {name: -gradient[name] if name in gradient else ref[name] for name in spec.axes}
    found = weight_match(spec, downhill, other, seed=seed, options=options)
    constant = torch.zeros_like(found.objective)
    for name, slope in gradient.items():
        origin = ref[name] if name in spec.compared else ref[name] - other[name]
        product = slope.double() * origin.double()
        constant = constant + product.flatten(constant.ndim).sum(-1)
    return Match(
        element=found.element,
        objective=found.objective + constant,
        history=found.history + constant,
        sweeps=found.sweeps,
        converged=found.converged,
    )


def loss_gradient(
    network: nn.Module,
    state: State,
    data: tuple[Tensor, Tensor],
    loss: Loss,
    *,
    batch: int = 4096,
) -> dict[str, Tensor]:
    """Gradient of the mean loss over all data, batch by batch.

    Args:
        network: The kind of network, in evaluation mode.
        state: One network or a stack.
        data: Inputs and targets ``[samples ...]``, shared by all networks.
        loss: ``loss(output, target)`` of one network, a mean over samples.
        batch: Samples run at once.

    Returns:
        The gradient of every parameter, zero where the loss does not depend on it.

    Raises:
        InputError: if the network is in training mode.
    """
    check_evaluating(network)
    own = dict(network.named_parameters())
    leaves = {n: t.detach().requires_grad_() for n, t in state.items() if n in own}
    stacked = any(leaf.ndim > own[name].ndim for name, leaf in leaves.items())
    x, y = data
    total = {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    for inputs, targets in zip(x.split(batch), y.split(batch), strict=True):
        output = population.call(network, {**state, **leaves}, inputs)
        over = torch.vmap(loss, in_dims=(0, None)) if stacked else loss
        value = over(output, targets).sum() * (len(inputs) / len(x))
        found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
        for name, slope in zip(leaves, found, strict=True):
            if slope is not None:
                total[name] += slope
    return total
