"""Refinement of an alignment of sine units on the loss half-way, over the whole group."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.matching.phases import phase_match
from onebasin.matching.result import ConvergenceWarning, Match
from onebasin.matching.straight_through import (
    StraightThrough,
    StraightThroughOptions,
    straight_through_match,
)
from onebasin.networks.inputs import owned
from onebasin.symmetry.dihedral import Dihedral
from onebasin.symmetry.spec import Spec, State


@dataclass(frozen=True)
class RefineOptions:
    """Options of :func:`phase_refine`.

    Args:
        steps: Steps of the estimator, each on all samples and with one matching of phases.
        lr: Step size of SGD on the free weights.
        momentum: Its momentum.
    """

    steps: int = 20
    lr: float = 1e-4
    momentum: float = 0.9


def phase_refine(
    spec: Spec,
    ref: State,
    other: State,
    *,
    network: nn.Module,
    data: tuple[Tensor, Tensor],
    loss: Callable[[Tensor, Tensor], Tensor],
    omega: float,
    options: RefineOptions | None = None,
) -> StraightThrough[Dihedral]:
    r"""Lower the loss half-way from where :func:`~onebasin.matching.phases.phase_match` ends.

    The straight-through estimator learns free weights :math:`\tilde\theta`, from
    :math:`\theta_A` on, and judges what projects them onto the orbit of ``other``. Its own
    projection is the nearest point in the weights. For sine units that is not the best start: here
    :math:`\mathrm{proj}(\tilde\theta)` is the element under which the phases of ``other`` on the
    data come closest to those of :math:`\tilde\theta`. So the first candidate is the match of
    phases itself, and as all samples make one batch, the element returned has no higher loss
    half-way *on these data*. That a lower loss is a better network is not said.

    Source: [ainsworth2023], Alg. 2, for the estimator; the projection is ours.

    Args:
        spec: The groups, each with one bias.
        ref: One network, or a stack of them.
        other: The networks to be moved, one for each of ref.
        network: The kind of network, in evaluation mode; called with ``capture="pre"``.
        data: Inputs and targets, ``[samples ...]`` shared, or ``[models samples ...]``.
        loss: ``loss(output, target)`` of one network, a mean over samples.
        omega: Frequency :math:`\omega_0` of the sines.
        options: Steps and step size.

    Returns:
        As :func:`~onebasin.matching.straight_through.straight_through_match`, without a warning
        where the last step still moved something; ``best`` is 0 where nothing better was found.
        O(steps units^2 samples) time.

    Raises:
        InputError: if the networks or data do not fit, an option is out of range, or the loss is
            not finite.
    """
    options, inputs = options or RefineOptions(), data[0]
    if options.steps < 1:
        raise InputError("options.steps", options.steps, "must be 1 or more")

    def project(spec: Spec, target: State, other: State, **_: Any) -> Match[Dihedral]:
        return phase_match(spec, target, other, network=network, data=inputs, omega=omega)

    own = owned(network, data, spec.models(ref))
    settings = StraightThroughOptions(
        epochs=options.steps,
        batch=inputs.shape[int(own)],
        lr=options.lr,
        momentum=options.momentum,
        project=project,
    )
    with warnings.catch_warnings():  # it stops after as many steps as were asked for
        warnings.simplefilter("ignore", ConvergenceWarning)
        return straight_through_match(
            spec, ref, other, network=network, data=data, loss=loss, options=settings
        )
