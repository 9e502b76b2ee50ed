"""How alike units are by their weights: the matrices that weight matching assigns by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin.symmetry.permutation import Permutation, permute
from onebasin.symmetry.spec import Spec, State

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

    Every tensor that carries the group takes part. Source: [ainsworth2023], eq. (2), Alg. 1.
    """
    lead = 0 if spec.models(ref) is None else 1
    terms = []
    for name, axis in spec.occurrences(group):
        moved = other[name]
        for place, neighbour in enumerate(spec.axes[name]):
            if place != axis and neighbour is not None:
                moved = permute(moved, element.perms[neighbour], place + lead)
        pair = (tensor.movedim(axis + lead, lead) for tensor in (ref[name], moved))
        rows = [tensor.reshape(*tensor.shape[: lead + 1], -1) for tensor in pair]
        terms.append(unit_similarity(*rows))
    return torch.stack(terms).sum(0)


def inner_product(spec: Spec, ref: State, other: State) -> Float[Tensor, "*models"]:
    r""":math:`\langle \theta_A, \theta_B \rangle` over the tensors that carry a group, float64."""
    lead = 0 if spec.models(ref) is None else 1
    names = [name for name, on in spec.axes.items() if any(on)]
    first = ref[names[0]] if names else next(iter(ref.values()))
    total = torch.zeros(first.shape[:lead], dtype=torch.float64, device=first.device)
    for name in names:
        total = total + (ref[name].double() * other[name].double()).flatten(lead).sum(-1)
    return total


@dataclass(frozen=True)
class _Term:
    """One tensor's share in a similarity that changes with the neighbours' permutations."""

    ref: Float[Tensor, "models units fan"]
    other: Tensor  # [models, permuted axes of the neighbours ..., rest, units]
    neighbours: tuple[str, ...]

    def permuted(self, perms: Perms, chosen: Int[Tensor, " pairs"]) -> Tensor:
        """``other`` of the chosen pairs with its neighbours permuted, ``[pairs fan units]``."""
        models, count = self.other.shape[:2]
        perm = perms[self.neighbours[0]][chosen]
        rows = (perm + chosen.unsqueeze(-1) * count).flatten()
        flat = self.other.reshape(models * count, -1).index_select(0, rows)
        moved = flat.view(len(chosen), *self.other.shape[1:])
        for axis, neighbour in enumerate(self.neighbours[1:], start=2):
            moved = permute(moved, perms[neighbour][chosen], axis)
        return moved.flatten(1, -2)


class GroupTerms:
    """The similarity of one group as a function of the other groups' permutations.

    What no other group touches is summed once; the rest is kept with the permuted axes in front,
    so that permuting is copying rows.

    Args:
        spec: The groups.
        ref: Stack of networks, float64.
        other: Stack of networks, float64.
        group: The group whose units are compared.
    """

    def __init__(self, spec: Spec, ref: State, other: State, group: str) -> None:
        still: list[tuple[Tensor, Tensor]] = []
        self.moving: list[_Term] = []
        for name, axis in spec.occurrences(group):
            on = spec.axes[name]
            others = [place for place in range(len(on)) if place != axis]
            order = [place for place in others if on[place]]
            order += [place for place in others if not on[place]]
            dims = [0, *(place + 1 for place in order), axis + 1]
            mine = ref[name].permute(dims).unsqueeze(1).flatten(1, -2).mT
            theirs = other[name].permute(dims)
            neighbours = tuple(near for place in order if (near := on[place]) is not None)
            if neighbours:
                self.moving.append(_Term(mine, theirs.contiguous(), neighbours))
            else:
                still.append((mine, theirs.unsqueeze(1).flatten(1, -2)))
        units = spec.sizes(ref)[group]
        first = next(iter(ref.values()))
        self.still = first.new_zeros(len(first), units, units)
        if still:
            mine = torch.cat([left for left, _ in still], -1)
            self.still = mine @ torch.cat([right for _, right in still], 1)
        self.self_coupled = any(group in term.neighbours for term in self.moving)
        self.scale = _scale(spec, ref, group) * _scale(spec, other, group)

    def similarity(
        self, perms: Perms, chosen: Int[Tensor, " pairs"]
    ) -> Float[Tensor, "pairs units units"]:
        """:func:`group_similarity` of the chosen pairs of the stack."""
        total = _pick(self.still, chosen)
        for term in self.moving:
            total = torch.baddbmm(total, _pick(term.ref, chosen), term.permuted(perms, chosen))
        return total


def _scale(spec: Spec, state: State, group: str) -> Float[Tensor, " models"]:
    names = {name for name, _ in spec.occurrences(group)}
    squares = [state[name].flatten(1).square().sum(-1) for name in sorted(names)]
    return torch.stack(squares).sum(0).sqrt()


def _pick(tensor: Tensor, chosen: Int[Tensor, " pairs"]) -> Tensor:
    return tensor if len(chosen) == len(tensor) else tensor.index_select(0, chosen)
