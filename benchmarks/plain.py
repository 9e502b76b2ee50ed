"""Weight matching as plainly, and as fast, as a loop over state dicts can be written."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from onebasin.matching import WeightOptions
from onebasin.matching.assignment import solve
from onebasin.matching.descent import sweep_orders
from onebasin.matching.similarity import GroupTerms, _Term
from onebasin.symmetry import Permutation, Spec, State


def weight_matching(
    spec: Spec, ref: State, other: State, assign: Callable[[Tensor], Tensor] | None = None
) -> tuple[Permutation, int]:
    """The published algorithm, in the precision of the weights, every similarity computed anew.

    Args:
        spec: The groups, every axis plain.
        ref: One network.
        other: The one to be permuted.
        assign: The assignment solver; SciPy's by default.

    Returns:
        The permutation and the number of sweeps.
    """
    perms = {group: torch.arange(units) for group, units in spec.sizes(ref).items()}
    orders = sweep_orders(spec, WeightOptions(), 0, 0)
    for sweep in count(1):
        progress = False
        for (group,) in next(orders):
            similarity = _similarity(spec, ref, other, group, perms)
            if assign is None:
                found = linear_sum_assignment(similarity.numpy(), maximize=True)[1]
                new = torch.from_numpy(found)
            else:
                new = assign(similarity)
            rows = torch.arange(len(similarity))
            gain = similarity[rows, new].sum() - similarity[rows, perms[group]].sum()
            progress |= gain.item() > 1e-12
            perms[group] = new
        if not progress or sweep == 100:
            return Permutation(spec, perms), sweep
    raise AssertionError("unreachable")


def _similarity(spec: Spec, ref: State, other: State, group: str, perms: dict) -> Tensor:
    units = len(perms[group])
    total = torch.zeros(units, units, dtype=next(iter(ref.values())).dtype)
    for name, axis in spec.occurrences(group):
        mine, theirs = ref[name], other[name]
        for place, near in enumerate(spec.axes[name]):
            if place != axis and near is not None:
                theirs = theirs.index_select(place, perms[near])
        if mine.ndim == 1:
            total.addr_(mine, theirs)
        elif axis == 0:
            total.addmm_(mine.flatten(1), theirs.flatten(1).T)
        elif mine.ndim == 2:
            total.addmm_(mine.T, theirs)
        else:
            mine, theirs = (t.movedim(axis, 0).flatten(1) for t in (mine, theirs))
            total.addmm_(mine, theirs.T)
    return total


def unavoidable(
    spec: Spec, ref: State, match: Callable[[], object]
) -> tuple[Callable[[], None], int]:
    """What a run of our weight matching cannot do without: its products and its assignments.

    Args:
        spec: The groups, every axis plain.
        ref: One of the two networks, for the shapes.
        match: Calls :func:`onebasin.matching.weight_match` on the pair.

    Returns:
        A function that does these and nothing else, in float64: the first similarity of every group
        in full, then an update of as many rows as had moved, then every assignment; and how many
        assignments those are.
    """
    import onebasin.matching.nested as nested

    sizes = spec.sizes(ref)
    shapes = [
        (sizes[group], ref[name].numel() // sizes[group])
        for group in spec.groups
        for name, _ in spec.occurrences(group)
        if not set(spec.axes[name]) - {None, group}
    ]
    seen: list[Tensor] = []
    first, change = GroupTerms.similarity, _Term.add_change

    def similarity(self, perms, chosen):
        shapes.extend((t.ref.shape[-1], t.ref[0].numel() // t.ref.shape[-1]) for t in self.moving)
        return first(self, perms, chosen)

    def add_change(self, total, pair, before, after):
        rows, fan = int((before != after).sum()), self.ref[pair].numel() // len(total)
        shapes.append((len(total), rows * fan // len(before)))
        return change(self, total, pair, before, after)

    nested.solve = lambda similarity: seen.append(similarity.clone()) or solve(similarity)
    GroupTerms.similarity, _Term.add_change = similarity, add_change
    try:
        match()
    finally:
        nested.solve = solve
        GroupTerms.similarity, _Term.add_change = first, change
    longest = max(units * fan for units, fan in shapes)
    left, right = torch.randn(2, longest, dtype=torch.float64)

    def work() -> None:
        for units, fan in shapes:
            size = units * fan
            left[:size].view(fan, units).T @ right[:size].view(fan, units)
        for one in seen:
            solve(one)

    return work, len(seen)
