"""How alike sine units are: four ways to lay one unit on another, and the best of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin.matching.assignment import solve
from onebasin.matching.similarity import GroupTerms, RunningSimilarity
from onebasin.symmetry.dihedral import Dihedral, biases
from onebasin.symmetry.spec import Spec, State

#: The four candidates: sign f of the weights, sign s of the activation. Those with f = s need an
#: even number of half periods, the others an odd one.
INNER = (1, 1, -1, -1)
OUTER = (1, -1, -1, 1)


#: Permutation, signs f and signs s of one group's units, ``[pairs units]`` each.
Units: TypeAlias = Sequence[Tensor]


@dataclass
class Signed:
    """Elements in progress, ``[pairs units]`` for each group; the number of shifts is left open.

    Args:
        perms: Which unit of other stands there.
        inner: Its sign f.
        outer: Its sign s.
    """

    perms: dict[str, Int[Tensor, "pairs _"]]
    inner: dict[str, Int[Tensor, "pairs _"]]
    outer: dict[str, Int[Tensor, "pairs _"]]

    @property
    def parts(self) -> tuple[dict[str, Tensor], ...]:
        """Permutations and the two signs, in the order of :data:`Units`."""
        return self.perms, self.inner, self.outer

    def rows(self, signs: Mapping[str, Tensor]) -> dict[str, Int[Tensor, "pairs _"]]:
        """Index of each unit in a list of all units followed by their negatives."""
        return {g: perm + perm.shape[-1] * (signs[g] < 0) for g, perm in self.perms.items()}

    def element(self, spec: Spec, *, omega: float) -> Dihedral:
        """The elements with the fewest half periods that have these signs."""
        signs = {group: sign.to(torch.int8) for group, sign in self.inner.items()}
        odd = {group: (self.inner[group] != self.outer[group]).long() for group in self.perms}
        return Dihedral(spec, self.perms, signs, odd, omega)

    def changed(self, group: str, chosen: Int[Tensor, " pairs"], units: Units) -> Signed:
        """The same with other units of one group in the chosen pairs."""
        parts = [dict(part) for part in self.parts]
        for part, values in zip(parts, units, strict=True):
            part[group] = part[group].index_copy(0, chosen, values)
        return Signed(*parts)


@dataclass
class Scores:
    """What laying unit j of other on unit i of ref is worth, apart from its sign.

    A candidate (f, s) is worth ``f inner + s outer`` minus half ``weight`` times the square of the
    gap left between the phases: ``near`` for f = s = 1, half a period less ``near`` for f = 1,
    s = -1, and the same of ``far`` for f = -1. Where shifts are not allowed only f = s is.

    Args:
        inner: Similarity of the incoming weights.
        outer: Similarity of the outgoing weights.
        near: Gap between the biases (pre-activation), on the circle if shifts are allowed.
        far: Gap after the bias of other has changed its sign.
        weight: Weight of the squared gaps.
        half: Half a period, ``None`` if shifts are not allowed.
        free: Value of laying j on i whatever the signs.
    """

    inner: Float[Tensor, "pairs units units"]
    outer: Float[Tensor, "pairs units units"]
    near: Float[Tensor, "pairs units units"]
    far: Float[Tensor, "pairs units units"]
    weight: float
    half: float | None
    free: Float[Tensor, "pairs units units"] | None = None

    def best(self) -> Float[Tensor, "pairs units units"]:
        """Value of the best candidate for each i and j."""
        if self.half is None:
            both = self.inner + self.outer
            kept, turned = self._even(self.near).add_(both), self._even(self.far).sub_(both)
        else:  # max(outer + even, odd - outer) with one absolute value; f = -1 swaps the parities
            kept = self._either(self.near).add_(self.inner)
            turned = self._either(self.half - self.far).sub_(self.inner)
        best = torch.maximum(kept, turned)
        return best if self.free is None else best.add_(self.free)

    def at(self, perm: Int[Tensor, "pairs units"]) -> Float[Tensor, "pairs units candidates"]:
        """Values of the four candidates for the units that a permutation pairs."""
        inner, outer, near, far = (
            whole.gather(-1, perm.unsqueeze(-1)).squeeze(-1)
            for whole in (self.inner, self.outer, self.near, self.far)
        )
        gaps = (near, self._odd(near), far, self._odd(far))
        values = [
            f * inner + s * outer - self.weight / 2 * gap.square()
            for f, s, gap in zip(INNER, OUTER, gaps, strict=True)
        ]
        return torch.stack(values, -1)

    def solve(self) -> Units:
        """The best units."""
        perm = solve(self.best())
        pick = self.at(perm).argmax(-1)
        return [perm, *(torch.tensor(side, device=perm.device)[pick] for side in (INNER, OUTER))]

    def of(self, perm: Tensor, inner: Tensor, outer: Tensor) -> Float[Tensor, "pairs units"]:
        """Value of units placed and turned so, without what is free."""
        place = torch.where(inner > 0, (outer < 0).long(), 2 + (outer > 0).long())
        return self.at(perm).gather(-1, place.unsqueeze(-1)).squeeze(-1)

    def _even(self, gap: Tensor) -> Tensor:
        return gap.square().mul_(-self.weight / 2)

    def _odd(self, gap: Tensor) -> Tensor:
        return torch.full_like(gap, math.inf) if self.half is None else self.half - gap

    def _either(self, gap: Tensor) -> Tensor:
        # With e = gap - half / 2 the two costs are weight / 2 (e +- half / 2)^2.
        half: float = self.half  # type: ignore[assignment]
        away = gap - half / 2
        linear = away.mul(-self.weight * half / 2).add_(self.outer).abs_()
        return linear.sub_(away.square_().mul_(self.weight / 2).add_(self.weight * half**2 / 8))


class SignedTerms:
    """The scores of one group as a function of the other groups' permutations and signs.

    Args:
        spec: The groups; every axis stays or is one group.
        ref: Stack of networks, float64, each tensor times its weight in the objective.
        other: Stack of networks, float64.
        group: The group whose units are compared.
        gaps: Gaps between the biases of ref and other, ``(near, far)``.
    """

    def __init__(
        self, spec: Spec, ref: State, other: State, group: str, *, gaps: tuple[Tensor, Tensor]
    ) -> None:
        bias = biases(spec)[group]
        sides: list[list[str]] = [[], []]
        for name, axis in spec.occurrences(group):
            if name != bias:
                sides[min(axis, 1)].append(name)
        self.gaps = gaps
        self.terms = [_similarity(spec.only(names), ref, other, group) for names in sides]
        self.restart()

    def restart(self) -> None:
        """Forget where the last descent stood."""
        self.running = [RunningSimilarity(terms) for terms in self.terms]

    def incoming(self, now: Signed, *, weight: float, half: float | None) -> Scores:
        """Scores of all pairs by incoming weights and biases alone."""
        everyone = torch.arange(len(self.gaps[0]), device=self.gaps[0].device)
        inner = self.terms[0].similarity(now.rows(now.outer), everyone)
        return Scores(inner, torch.zeros_like(inner), *self.gaps, weight, half)

    def scores(
        self, now: Signed, chosen: Int[Tensor, " pairs"], *, weight: float, half: float | None
    ) -> Scores:
        """Scores of the chosen pairs; the first call must choose every pair."""
        below, above = self.running
        near, far = (gap[chosen] if len(chosen) < len(gap) else gap for gap in self.gaps)
        inner = below.at(now.rows(now.outer), chosen)  # what feeds it carries activation signs
        outer = above.at(now.rows(now.inner), chosen)
        return Scores(inner, outer, near, far, weight, half)


def _similarity(spec: Spec, ref: State, other: State, group: str) -> GroupTerms:
    """Similarity by some tensors, with the units of the neighbours listed twice, as w and -w."""
    doubled = {}
    for name, on in spec.axes.items():
        tensor = other[name]
        for axis, entry in enumerate(on, start=1):
            if entry not in (None, group):
                tensor = torch.cat([tensor, -tensor], axis)
        doubled[name] = tensor
    return GroupTerms(spec, ref, doubled, group)


def bias_gaps(
    ref: Float[Tensor, "pairs units"], other: Float[Tensor, "pairs units"], half: float | None
) -> tuple[Float[Tensor, "pairs units units"], Float[Tensor, "pairs units units"]]:
    """Absolute gaps between all biases, as they are and with the signs of other's changed.

    With ``half`` they are distances on a circle of two half periods, at most one half period.
    """
    mine, theirs = ref.unsqueeze(-1), other.unsqueeze(-2)
    near, far = (mine - theirs).abs_(), (mine + theirs).abs_()
    return (near, far) if half is None else (circular(near, half), circular(far, half))


def circular(gap: Tensor, half: float) -> Tensor:
    """Distance on a circle of circumference two half periods, of a gap on the line."""
    return (gap - 2 * half * (gap / (2 * half)).round()).abs_()
