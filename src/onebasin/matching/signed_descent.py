"""Coordinate descent over groups of sine units: assignments on the best of four signs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin import seeds
from onebasin.matching import sweeps
from onebasin.matching.signed import (
    Scores,
    Signed,
    SignedTerms,
    Units,
    bias_gaps,
    circular,
)
from onebasin.symmetry.dihedral import Dihedral, biases
from onebasin.symmetry.spec import Spec, State


@dataclass
class Problem:
    """A stack of pairs, ready for the descent.

    Args:
        spec: The compared tensors; every axis stays or is one group.
        ref: Stack of networks, float64.
        other: Stack of networks, float64.
        weights: Weight in the objective of each tensor with an incoming and an outgoing side.
        bias: Weight of the gaps between phases.
        half: Half a period (pre-activation), ``None`` if shifts are not allowed.
    """

    spec: Spec
    ref: State
    other: State
    weights: Mapping[str, float]
    bias: float
    half: float | None

    def __post_init__(self) -> None:
        self.biases = biases(self.spec)
        self.count = len(next(iter(self.ref.values())))
        scaled = {name: t * self.weights.get(name, 1.0) for name, t in self.ref.items()}
        self.terms = {
            group: SignedTerms(
                self.spec,
                scaled,
                self.other,
                group,
                gaps=bias_gaps(self.ref[name], self.other[name], self.half),
            )
            for group, name in self.biases.items()
        }
        self.scale = {group: self._scale(group) for group in self.spec.groups}

    def _scale(self, group: str) -> Float[Tensor, " pairs"]:
        """The most the similarity of a group could be: the product of its norms."""
        squares = [
            torch.stack(
                [state[name].flatten(1).square().sum(-1) for state in (self.ref, self.other)]
            )
            * (self.weights.get(name, 1.0) if name != self.biases[group] else self.bias)
            for name in sorted({name for name, _ in self.spec.occurrences(group)})
        ]
        return torch.stack(squares).sum(0).prod(0).sqrt()

    def restart(self) -> None:
        """Forget where the last descent stood."""
        for terms in self.terms.values():
            terms.restart()

    def objective(self, at: Signed) -> Float[Tensor, " pairs"]:
        """Minus half the weighted squared distance of ref and the moved other."""
        moved = at.element(self.spec, omega=1.0).act(self.other)  # for the weights any omega does
        total = self.ref[self.biases[self.spec.groups[0]]].new_zeros(self.count)
        for name, weight in self.weights.items():
            total -= weight / 2 * (self.ref[name] - moved[name]).flatten(1).square().sum(-1)
        for group in self.spec.groups:
            total -= self.bias / 2 * self.gaps(at, group).square().sum(-1)
        return total

    def gaps(self, at: Signed, group: str) -> Float[Tensor, "pairs units"]:
        """What is left between each bias of ref and the nearest equivalent of other's."""
        name = self.biases[group]
        bias = at.inner[group] * self.other[name].gather(-1, at.perms[group])
        gap = self.ref[name] - bias
        if self.half is None:
            return gap
        odd = (at.inner[group] != at.outer[group]).double()
        return circular(gap - odd * self.half, self.half)

    def nearest(self, at: Signed, *, omega: float) -> Dihedral:
        """The elements that bring every bias to the equivalent place nearest to the reference's."""
        element = at.element(self.spec, omega=omega)
        if self.half is None:
            return element
        moved, shifts = element.act(self.other), {}
        for group, name in self.biases.items():
            turns = ((self.ref[name] - moved[name]) / (2 * self.half)).round().long()
            shifts[group] = element.shifts[group] + 2 * turns
        return replace(element, shifts=shifts)

    def scores(self, group: str, at: Signed, chosen: Int[Tensor, " pairs"]) -> Scores:
        """Scores of one group of the chosen pairs; the first call must choose every pair."""
        return self.terms[group].scores(at, chosen, weight=self.bias, half=self.half)

    def incoming(self, group: str, at: Signed) -> Scores:
        """Scores of one group of all pairs by what comes in alone."""
        return self.terms[group].incoming(at, weight=self.bias, half=self.half)

    def forward(self) -> Signed:
        """Where to start: group after group in the order of the spec, by what comes in.

        Networks that differ by an element are brought together by this alone, if no two units of a
        layer read the same.
        """
        at = Signed({}, {}, {})
        for group, name in self.biases.items():
            units = self.ref[name].shape[-1]
            perm = torch.arange(units, device=self.ref[name].device).expand(self.count, -1)
            ones = torch.ones_like(perm)
            at.perms[group], at.inner[group], at.outer[group] = perm, ones, ones
        every = torch.arange(self.count, device=perm.device)
        for group in self.spec.groups:
            at = at.changed(group, every, self.incoming(group, at).solve())
        return at

    def gain(
        self, scores: Scores, group: str, at: Signed, chosen: Tensor, moves: tuple[Units, Units]
    ) -> Float[Tensor, " pairs"]:
        """How much the objective of the chosen pairs rises from the old to the new units."""
        old, new = (scores.of(*units).sum(-1) for units in moves)
        return new - old


#: A descent of sine units.
Walk: TypeAlias = sweeps.Walk[str, Signed]


def best_walk(problem: Problem, start: Signed | None, seed: int, options) -> Walk:
    """Run every start and keep, pair by pair, the end with the largest objective."""
    first = problem.forward() if start is None else start
    groups = problem.spec.groups
    fixed = None if options.order is None else tuple(options.order)

    def run(restart: int) -> Walk:
        at = _random_start(problem, first, seed, restart) if restart else first
        problem.restart()
        order = sweeps.orders(groups, fixed, "dihedral-match-order", seed, restart)
        solve = partial(_solve, problem, options.rtol)
        return sweeps.descend(at, problem.objective(at), order, solve, keys=groups, limits=options)

    return sweeps.best_of(run, options, _choose)


def _solve(
    problem: Problem, rtol: float, now: Walk, group: str, chosen: Int[Tensor, " pairs"]
) -> Tensor:
    """Solve one group of the chosen pairs; returns which of all pairs changed."""
    scores = problem.scores(group, now.at, chosen)
    old = [part[group][chosen] for part in now.at.parts]
    new = scores.solve()
    gain = problem.gain(scores, group, now.at, chosen, (old, new))
    better = gain > rtol * problem.scale[group][chosen]
    pairs = zip(new, old, strict=True)
    kept = [torch.where(better.unsqueeze(-1), theirs, mine) for theirs, mine in pairs]
    now.at = now.at.changed(group, chosen, kept)
    changed = now.moved(chosen, better, gain)
    for neighbour in problem.spec.neighbours(group):
        now.stale[neighbour] |= changed
    return changed


def _choose(wins: Tensor, new: Signed, old: Signed) -> Signed:
    both = zip(new.parts, old.parts, strict=True)
    return Signed(*({g: torch.where(wins, a[g], b[g]) for g in b} for a, b in both))


def _random_start(problem: Problem, like: Signed, seed: int, restart: int) -> Signed:
    generator = seeds.stream("dihedral-match-start", seed, restart)
    sizes = {group: perm.shape[-1] for group, perm in like.perms.items()}
    drawn = Dihedral.random(problem.spec, sizes, generator, omega=1.0)
    inner = {group: sign.long() for group, sign in drawn.signs.items()}
    outer = inner if problem.half is None else {g: s.long() for g, s in drawn.outer.items()}

    def spread(part: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {g: t.to(like.perms[g].device).expand_as(like.perms[g]) for g, t in part.items()}

    return Signed(spread(drawn.perms), spread(inner), spread(outer))
