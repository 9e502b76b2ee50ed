"""Coordinate descent over groups of sine units: assignments on the best of four signs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin import seeds
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


@dataclass
class Walk:
    """One descent in progress: where every pair stands."""

    at: Signed
    objective: Float[Tensor, " pairs"]
    stale: dict[str, Tensor]  # group -> [pairs] whether a neighbour changed since its last solve
    history: list[Tensor]
    sweeps: Int[Tensor, " pairs"]
    active: Tensor  # [pairs] whose last sweep changed something


def best_walk(problem: Problem, start: Signed | None, seed: int, options) -> Walk:
    """Run every start and keep, pair by pair, the end with the largest objective."""
    start = problem.forward() if start is None else start
    best = _walk(problem, start, _orders(problem.spec, options, seed, 0), options)
    for restart in range(1, options.restarts):
        drawn = _random_start(problem, start, seed, restart)
        found = _walk(problem, drawn, _orders(problem.spec, options, seed, restart), options)
        best = _better(best, found)
    return best


def _orders(spec: Spec, options, *ids: int) -> Iterator[tuple[str, ...]]:
    generator = seeds.stream("dihedral-match-order", *ids)
    while True:
        if options.order is not None:
            yield tuple(options.order)
        else:
            shuffled = torch.randperm(len(spec.groups), generator=generator).tolist()
            yield tuple(spec.groups[k] for k in shuffled)


def _walk(problem: Problem, start: Signed, orders: Iterator[tuple[str, ...]], options) -> Walk:
    objective = problem.objective(start)
    everyone = torch.ones(problem.count, dtype=torch.bool, device=objective.device)
    problem.restart()
    now = Walk(
        at=start,
        objective=objective,
        stale={group: everyone.clone() for group in problem.spec.groups},
        history=[objective],
        sweeps=torch.zeros_like(everyone, dtype=torch.long),
        active=everyone.clone(),
    )
    for _ in range(options.max_sweeps):
        moved = torch.zeros_like(everyone)
        for group in next(orders):
            chosen = (now.active & now.stale[group]) if options.skip else now.active
            moved |= _update(problem, now, group, chosen.nonzero().squeeze(-1), options.rtol)
        now.sweeps += now.active
        now.history.append(now.objective)
        now.active = now.active & moved
        if not now.active.any():
            break
    return now


def _update(
    problem: Problem, now: Walk, group: str, chosen: Int[Tensor, " pairs"], rtol: float
) -> Tensor:
    """Solve one group of the chosen pairs; returns which of all pairs changed."""
    changed = torch.zeros_like(now.active)
    if len(chosen) == 0:
        return changed
    now.stale[group][chosen] = False
    scores = problem.scores(group, now.at, chosen)
    old = [part[group][chosen] for part in (now.at.perms, now.at.inner, now.at.outer)]
    new = scores.solve()
    gain = problem.gain(scores, group, now.at, chosen, (old, new))
    better = gain > rtol * problem.scale[group][chosen]
    changed[chosen] = better
    pairs = zip(new, old, strict=True)
    kept = [torch.where(better.unsqueeze(-1), theirs, mine) for theirs, mine in pairs]
    now.at = now.at.changed(group, chosen, kept)
    now.objective = now.objective.index_add(0, chosen, torch.where(better, gain, 0.0))
    for neighbour in problem.spec.neighbours(group):
        now.stale[neighbour] |= changed
    return changed


def _random_start(problem: Problem, like: Signed, seed: int, restart: int) -> Signed:
    generator = seeds.stream("dihedral-match-start", seed, restart)
    sizes = {group: perm.shape[-1] for group, perm in like.perms.items()}
    drawn = Dihedral.random(problem.spec, sizes, generator, omega=1.0)
    inner = {group: sign.long() for group, sign in drawn.signs.items()}
    outer = inner if problem.half is None else {g: s.long() for g, s in drawn.outer.items()}

    def spread(part: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {g: t.to(like.perms[g].device).expand_as(like.perms[g]) for g, t in part.items()}

    return Signed(spread(drawn.perms), spread(inner), spread(outer))


def _better(old: Walk, new: Walk) -> Walk:
    wins = new.objective > old.objective
    length = max(len(old.history), len(new.history))
    pasts = [run.history + run.history[-1:] * (length - len(run.history)) for run in (old, new)]
    parts = [
        {g: torch.where(wins.unsqueeze(-1), theirs[g], mine[g]) for g in mine}
        for mine, theirs in (
            (old.at.perms, new.at.perms),
            (old.at.inner, new.at.inner),
            (old.at.outer, new.at.outer),
        )
    ]
    return replace(
        old,
        at=Signed(*parts),
        objective=torch.where(wins, new.objective, old.objective),
        history=[torch.where(wins, theirs, mine) for mine, theirs in zip(*pasts, strict=True)],
        sweeps=torch.where(wins, new.sweeps, old.sweeps),
        active=torch.where(wins, new.active, old.active),
    )
