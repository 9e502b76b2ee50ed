"""No alignment at all: the baseline every method is compared with."""

from __future__ import annotations

import torch

from onebasin.matching.result import Match
from onebasin.matching.similarity import inner_product
from onebasin.registry import register
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.spec import Spec, State


@register(name="none", label="no alignment", colour="#4D4D4D", marker="", dash="--", cost="free")
def identity_match(spec: Spec, ref: State, other: State) -> Match[Permutation]:
    """The permutation that moves nothing; its objective is the inner product of the weights.

    Args:
        spec: The groups.
        ref: One network, or a stack.
        other: The same.

    Raises:
        InputError: if the two networks do not fit one another.
    """
    spec.check_pair(ref, other)
    objective = inner_product(spec, ref, other)
    element = Permutation.identity(spec, spec.sizes(ref), spec.models(ref)).to(objective.device)
    return Match(
        element=element,
        objective=objective,
        history=objective.unsqueeze(0),
        sweeps=torch.zeros_like(objective, dtype=torch.long),
        converged=torch.ones_like(objective, dtype=torch.bool),
    )
