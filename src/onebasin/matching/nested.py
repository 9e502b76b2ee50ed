"""The best permutation of units that come in blocks: an assignment of assignments."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin.matching.assignment import solve, value
from onebasin.symmetry.nested import join
from onebasin.symmetry.spec import Spec


def solve_groups(
    spec: Spec, similar: Mapping[str, Float[Tensor, "*models _ _"]]
) -> dict[str, Int[Tensor, "*models _"]]:
    r"""The permutations of all given groups with the largest summed similarity, exactly.

    Groups without blocks are solved one by one. For groups with common blocks, the best inner
    permutation is found for every pair of blocks, and what it is worth decides which block goes
    with which:

    .. math:: \max_\sigma \sum_h \sum_g \max_\tau
        \sum_i S^g_{(h, i), (\sigma(h), \tau(i))}

    One inner assignment does not depend on another, so that the result is the maximum over the
    whole (wreath) group, with :math:`B^2` small assignments for each group and one of blocks.

    Args:
        spec: The groups and their blocks.
        similar: For each group to be solved, similarity of units of ref (rows) and other; all
            groups of a family or none.

    Returns:
        For each of these groups ``perm[i] = j``: unit i of ref receives unit j of other.

    Raises:
        InputError: if an entry is not finite or a matrix is not square.
    """
    return {
        group: perm
        for family in spec.families
        if family[0] in similar
        for group, perm in solve_family(spec, {g: similar[g] for g in family}).items()
    }


def solve_family(
    spec: Spec, similar: Mapping[str, Float[Tensor, "*models _ _"]]
) -> dict[str, Int[Tensor, "*models _"]]:
    """:func:`solve_groups` for the groups of one family."""
    if len(similar) == 1 and not set(similar) & set(spec.nested):
        return {group: solve(similarity) for group, similarity in similar.items()}
    worth = dict(similar)
    inside: dict[str, Tensor] = {}
    pending = list(similar)
    while pending:  # inwards to outwards: a group before the blocks it is made of
        group = pending.pop(0)
        if group not in spec.nested:
            continue
        if any(spec.nested[g][0] == group for g in pending if g in spec.nested):
            pending.append(group)  # some of its own units' blocks are not known yet
            continue
        name, blocks = spec.nested[group]
        gain, inside[group] = _every_block(worth[group], blocks)
        worth[name] = worth[name] + gain if name in worth else gain
        if name not in pending:
            pending.append(name)
    return _outside_in(spec, worth, inside, similar)


def _every_block(
    similarity: Float[Tensor, "*models units units"], blocks: int
) -> tuple[Float[Tensor, "*models blocks blocks"], Int[Tensor, "*models blocks blocks _"]]:
    """What every pair of blocks is worth, and the inner permutations that make it so."""
    inner = similarity.shape[-1] // blocks
    pairs = similarity.unflatten(-1, (blocks, inner)).unflatten(-3, (blocks, inner))
    pairs = pairs.movedim(-2, -3)  # [*models blocks blocks inner inner]
    flat = pairs.reshape(-1, inner, inner)
    best = solve(flat)
    lead = pairs.shape[:-2]
    return value(flat, best).reshape(lead), best.reshape(*lead, inner)


def _outside_in(
    spec: Spec, worth: Mapping[str, Tensor], inside: Mapping[str, Tensor], wanted: Mapping
) -> dict[str, Tensor]:
    perms: dict[str, Tensor] = {}

    def place(name: str) -> Tensor:
        if name not in perms and name not in inside:
            perms[name] = solve(worth[name])
        elif name not in perms:
            order = place(spec.nested[name][0])  # [*models blocks]
            table = inside[name]
            chosen = order[..., None, None].expand(*order.shape, 1, table.shape[-1])
            perms[name] = join(order, table.gather(-2, chosen).squeeze(-2))
        return perms[name]

    return {group: place(group) for group in wanted}


def total_value(
    similar: Mapping[str, Float[Tensor, "*models _ _"]], perms: Mapping[str, Tensor]
) -> Float[Tensor, "*models"]:
    """Summed similarity of several groups' permutations."""
    return torch.stack([value(similar[group], perms[group]) for group in similar]).sum(0)
