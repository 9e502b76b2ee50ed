r"""What weight matching is shown instead of the raw weights: min-max normalised ones.

Both functions take a pair and return a pair; match what they return and apply the permutation to
the raw weights. Normalising commutes with permutations of units, so the answer is one for the raw
networks, too.

What changes is only how much each tensor counts. An assignment compares inner products of rows, and
with :math:`a' = (a - m)/r` and :math:`b' = (b - n)/s`

.. math:: \langle a', b' \rangle = \frac{1}{r s} \Bigl( \langle a, b \rangle
          - n \sum_f a_f - m \sum_f b_f + \text{const} \Bigr) .

Terms of one row alone add the same to every assignment, so the shifts drop out.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin.symmetry.spec import Spec, State

Pair = tuple[dict[str, Tensor], dict[str, Tensor]]


def minmax_single(spec: Spec, ref: State, other: State) -> Pair:
    r"""Every tensor of each network scaled to [0, 1] by its own extremes.

    .. math:: W \leftarrow \frac{W - \min W}{\max W - \min W}

    Source: [ballerini2023], §3.3.1 (minmax1). A tensor without a range, all entries equal, becomes
    0; the paper divides by zero there.

    Args:
        spec: Names the tensors that are normalised; others are passed on.
        ref: One network, or a stack, each of which is normalised by itself.
        other: The same.

    Returns:
        The two networks as weight matching is to see them, in float64.

    Raises:
        InputError: if the two do not fit one another.
    """
    spec.check_pair(ref, other)
    lead = 0 if spec.models(ref) is None else 1
    made: Pair = dict(ref), dict(other)
    for name in spec.axes:
        for state in made:
            state[name] = _unit(state[name], *_extremes(state[name], lead))
    return made


def minmax_paired(spec: Spec, ref: State, other: State) -> Pair:
    r"""Corresponding tensors of the two networks scaled by the extremes of both together.

    .. math:: W^A \leftarrow \frac{W^A - \min(W^A, W^B)}{\max(W^A, W^B) - \min(W^A, W^B)}

    and the same for :math:`W^B`. Source: [ballerini2023], §3.3.1 (minmax2). Arguments, result and
    errors as for :func:`minmax_single`.
    """
    spec.check_pair(ref, other)
    lead = 0 if spec.models(ref) is None else 1
    made: Pair = dict(ref), dict(other)
    for name in spec.axes:
        (low, high), (least, most) = (_extremes(state[name], lead) for state in made)
        ends = torch.minimum(low, least), torch.maximum(high, most)
        for state in made:
            state[name] = _unit(state[name], *ends)
    return made


def _extremes(tensor: Tensor, lead: int) -> tuple[Tensor, Tensor]:
    """Smallest and largest entry of each network's tensor, shaped to broadcast against it."""
    flat = tensor.double().flatten(lead)
    shape = (*flat.shape[:lead], *[1] * (tensor.ndim - lead))
    return flat.amin(-1).reshape(shape), flat.amax(-1).reshape(shape)


def _unit(tensor: Tensor, low: Tensor, high: Tensor) -> Float[Tensor, "..."]:
    spread = high - low
    return (tensor.double() - low) / torch.where(spread > 0, spread, 1.0)
