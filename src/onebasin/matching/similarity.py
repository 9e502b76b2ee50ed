"""How alike units are by their weights: the matrices that weight matching assigns by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin.symmetry.permutation import Permutation, permute
from onebasin.symmetry.spec import Spec, State

#: From this many units on a similarity is updated in a descent, not computed anew.
_UNITS_WORTH_UPDATING = 128

Perms = Mapping[str, Int[Tensor, "models _"]]  # each group has its own number of units


def unit_similarity(
    ref: Float[Tensor, "*models units fan"], other: Float[Tensor, "*models units fan"]
) -> Float[Tensor, "*models units units"]:
    r"""Inner product of every unit of ``ref`` with every unit of ``other``, in float64.

    .. math:: S_{ij} = \sum_f A_{if} B_{jf}

    Source: [ainsworth2023], eq. (1); larger is closer, and the assignment maximises.
    """
    return ref.double() @ other.double().mT


def group_similarity(
    spec: Spec, ref: State, other: State, group: str, element: Permutation
) -> Float[Tensor, "*models units units"]:
    r"""Similarity of the units of one group, the other groups permuted as they are now.

    For layer l of a chain, with biases :math:`a, b`:

    .. math:: S = A_l P_{l-1}^{} B_l^T + A_{l+1}^T P_{l+1}^{} B_{l+1}^{} + a_l^{} b_l^T

    Every compared tensor that carries the group takes part. Source: [ainsworth2023], eq. (2),
    Alg. 1.
    """
    (_, ref), (_, other) = spec.unfold(ref), spec.unfold(other)
    spec = spec.matched
    lead = 0 if spec.models(ref) is None else 1
    terms = []
    for name, axis in spec.occurrences(group):
        moved = other[name]
        for place, neighbour in enumerate(spec.axes[name]):
            if place != axis and neighbour is not None:
                moved = permute(moved, element.perms[neighbour], place + lead)  # type: ignore[index]
        pair = (tensor.movedim(axis + lead, lead) for tensor in (ref[name], moved))
        rows = [tensor.reshape(*tensor.shape[: lead + 1], -1) for tensor in pair]
        terms.append(unit_similarity(*rows))
    return torch.stack(terms).sum(0)


def inner_product(spec: Spec, ref: State, other: State) -> Float[Tensor, "*models"]:
    r""":math:`\langle \theta_A, \theta_B \rangle` over the tensors that are compared, float64."""
    lead = 0 if spec.models(ref) is None else 1
    names = spec.compared
    first = ref[names[0]] if names else next(iter(ref.values()))
    total = torch.zeros(first.shape[:lead], dtype=torch.float64, device=first.device)
    for name in names:
        total = total + (ref[name].double() * other[name].double()).flatten(lead).sum(-1)
    return total


@dataclass(frozen=True)
class _Term:
    """One tensor's share in a similarity that changes with the neighbours' permutations.

    Both tensors are ``[models, axes of the neighbours ..., rest, units]``, so that permuting a
    neighbour means copying rows.
    """

    ref: Tensor
    other: Tensor
    neighbours: tuple[str, ...]

    def permuted(self, perms: Perms, chosen: Int[Tensor, " pairs"]) -> Tensor:
        """``other`` of the chosen pairs with its neighbours permuted, ``[pairs fan units]``."""
        models, count = self.other.shape[:2]
        perm = perms[self.neighbours[0]][chosen]
        rows = (perm + chosen.unsqueeze(-1) * count).flatten()
        flat = self.other.reshape(models * count, -1).index_select(0, rows)
        moved = flat.view(*perm.shape, *self.other.shape[2:])
        for axis, neighbour in enumerate(self.neighbours[1:], start=2):
            moved = permute(moved, perms[neighbour][chosen], axis)
        return moved.flatten(1, -2)

    def add_change(self, total: Tensor, pair: int, before: Tensor, after: Tensor) -> None:
        """Add to one pair's similarity what changes with the permutation of the neighbour."""
        rows = (before != after).nonzero().squeeze(-1)
        if len(rows):
            ref, other = self.ref[pair], self.other[pair]
            change = other.index_select(0, after[rows]) - other.index_select(0, before[rows])
            total.addmm_(ref.index_select(0, rows).flatten(0, -2).mT, change.flatten(0, -2))


class GroupTerms:
    """The similarity of one group as a function of the other groups' permutations.

    What no other group touches is summed once.

    Args:
        spec: The groups.
        ref: Stack of networks, float64.
        other: Stack of networks, float64.
        group: The group whose units are compared.
    """

    def __init__(self, spec: Spec, ref: State, other: State, group: str) -> None:
        first, at = spec.occurrences(group)[0]
        models, units = len(ref[first]), ref[first].shape[at + 1]
        self.still = next(iter(ref.values())).new_zeros(models, units, units)
        self.moving: list[_Term] = []
        for name, axis in spec.occurrences(group):
            on = spec.axes[name]
            others = [place for place in range(len(on)) if place != axis]
            order = [place for place in others if on[place]]
            order += [place for place in others if not on[place]]
            dims = [0, *(place + 1 for place in order), axis + 1]
            mine, theirs = (state[name].permute(dims).unsqueeze(-2) for state in (ref, other))
            neighbours = tuple(near for place in order if (near := on[place]) is not None)
            if neighbours:
                self.moving.append(_Term(mine.contiguous(), theirs.contiguous(), neighbours))  # type: ignore[arg-type]
            else:
                self.still.baddbmm_(mine.flatten(1, -2).mT, theirs.flatten(1, -2))
        self.self_coupled = any(group in term.neighbours for term in self.moving)

    def similarity(
        self, perms: Perms, chosen: Int[Tensor, " pairs"]
    ) -> Float[Tensor, "pairs units units"]:
        """:func:`group_similarity` of the chosen pairs of the stack."""
        total = _pick(self.still, chosen)
        for term in self.moving:
            mine = _pick(term.ref, chosen).flatten(1, -2).mT
            total = torch.baddbmm(total, mine, term.permuted(perms, chosen))
        return total


class RunningSimilarity:
    """The similarity of one group during a descent, kept up to date.

    From the second time on, a large similarity is changed by what the units of the neighbours that
    moved since contribute: ``2 units^2`` operations for each instead of ``2 units^3`` in all. Late
    sweeps move few. The sum differs from one computed anew by rounding only.
    """

    def __init__(self, terms: GroupTerms) -> None:
        self.terms = terms
        self.total: Tensor | None = None
        self.seen: list[Tensor] = []
        alone = all(len(term.neighbours) == 1 for term in terms.moving)
        large = terms.still.shape[-1] >= _UNITS_WORTH_UPDATING
        self.updates = alone and large and not terms.self_coupled and terms.still.is_cpu

    def at(self, perms: Perms, chosen: Int[Tensor, " pairs"]) -> Float[Tensor, "pairs units units"]:
        """:meth:`GroupTerms.similarity`; the first call must choose every pair."""
        if not self.updates or not self.terms.moving:
            return self.terms.similarity(perms, chosen)
        now = [perms[term.neighbours[0]] for term in self.terms.moving]
        if self.total is None:
            self.total = self.terms.similarity(perms, chosen)
        else:
            for pair in chosen.tolist():
                for term, before, after in zip(self.terms.moving, self.seen, now, strict=True):
                    term.add_change(self.total[pair], pair, before[pair], after[pair])
                    before[pair] = after[pair]
            return _pick(self.total, chosen)
        self.seen = [perm.clone() for perm in now]
        return self.total


def norms(spec: Spec, state: State) -> dict[str, Float[Tensor, " models"]]:
    """Norm of all weights that carry a group, for each group."""
    squares = {name: tensor.flatten(1).square().sum(-1) for name, tensor in state.items()}
    found = {}
    for group in spec.groups:
        names = sorted({name for name, _ in spec.occurrences(group)})
        found[group] = torch.stack([squares[name] for name in names]).sum(0).sqrt()
    return found


def _pick(tensor: Tensor, chosen: Int[Tensor, " pairs"]) -> Tensor:
    return tensor if len(chosen) == len(tensor) else tensor.index_select(0, chosen)
