"""Setting the smallest parameters of a network to zero, one threshold for all layers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin.errors import InputError
from onebasin.symmetry.spec import Spec, State


@dataclass(frozen=True, eq=False)
class Pruned:
    """What pruning left.

    Args:
        state: The parameters, the small ones set to 0.
        threshold: The magnitude up to which they are.
        zeroed: Fraction of all parameters that are 0 now.
    """

    state: dict[str, Tensor]
    threshold: Float[Tensor, "*models"]
    zeroed: Float[Tensor, "*models"]


def prune(spec: Spec, state: State, fraction: float, *, by: str = "magnitude") -> Pruned:
    r"""Set parameters of small magnitude to zero, by one percentile of all layers together.

    .. math:: \theta_i \leftarrow 0 \quad\text{if}\quad |\theta_i| \le q_N

    with :math:`q_N` the :math:`N`-th percentile of the magnitudes :math:`|\theta|` of all weights
    and biases. A permutation of units commutes with it: both only look at single entries.

    Source: [ballerini2023], §3.3.2. The percentile there is worded as one of the *values*; that
    reading is ``by="signed"``. It zeroes fewer, about ``2 N - 100`` percent where signs balance.

    Args:
        spec: Names the parameters; all of real type count.
        state: One network, or a stack, of which each gets its own threshold.
        fraction: :math:`N / 100`, from 0 (nothing is changed) to 1.
        by: What the percentile is taken of, ``"magnitude"`` or ``"signed"`` values.

    Raises:
        InputError: if the state does not fit the spec, or the fraction is not one.
    """
    if not 0 <= fraction <= 1:
        raise InputError("fraction", fraction, "choose a number from 0 to 1")
    if by not in ("magnitude", "signed"):
        raise InputError("by", by, 'choose "magnitude" or "signed"')
    spec.check(state)
    lead = 0 if spec.models(state) is None else 1
    whole = [name for name in spec.axes if name not in spec.carried]  # no running statistics
    names = [name for name in whole if state[name].is_floating_point()]
    every = torch.cat([state[name].detach().flatten(lead).double() for name in names], dim=-1)
    threshold = _percentile(every if by == "signed" else every.abs(), fraction)
    kept = {
        name: torch.where(
            state[name].abs() <= _like(threshold, state[name], lead), 0.0, state[name]
        )
        for name in names
    }
    zeros = [(kept[name] == 0).flatten(lead).double().sum(-1) for name in names]
    zeroed = torch.stack(zeros).sum(0)
    return Pruned({**state, **kept}, threshold, zeroed / every.shape[-1])


def zero_shares(spec: Spec, state: State) -> dict[str, Float[Tensor, "*models"]]:
    """Fraction of zeros in every tensor: where a global threshold has cut."""
    lead = 0 if spec.models(state) is None else 1
    return {name: (state[name] == 0).flatten(lead).double().mean(-1) for name in spec.axes}


def _percentile(values: Float[Tensor, "*models entries"], fraction: float) -> Tensor:
    """Smallest entry that at least this fraction of the entries do not exceed."""
    rank = math.ceil(round(fraction * values.shape[-1], 6))
    if rank == 0:
        return values.new_full(values.shape[:-1], -math.inf)
    return values.kthvalue(rank, dim=-1).values


def _like(threshold: Tensor, tensor: Tensor, lead: int) -> Tensor:
    return threshold.reshape(*threshold.shape, *[1] * (tensor.ndim - lead))
