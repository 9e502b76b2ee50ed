"""Coordinate descent over groups of units: each step an assignment, none a step down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin import seeds
from onebasin.matching.nested import solve_family, total_value
from onebasin.matching.similarity import GroupTerms, RunningSimilarity, inner_product
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.spec import Spec, State

#: Groups that are permuted together; see :attr:`Spec.families`.
Family: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class WeightOptions:
    """Options of :func:`weight_match`.

    Args:
        max_sweeps: Sweeps after which to give up.
        rtol: A permutation is replaced only if the objective rises by more than ``rtol`` times the
            most it could be, the product of the norms of the weights that carry the group.
        restarts: Starts in all; the first from ``init``, the others from random permutations. The
            best end is returned.
        skip: Pass over groups whose neighbours did not change since their last assignment. The
            result is the same.
        order: Groups in the order of every sweep; ``None`` for a new random order each sweep.
            Groups that share blocks are solved together, where the first of them stands.
    """

    max_sweeps: int = 100
    rtol: float = 1e-12
    restarts: int = 1
    skip: bool = True
    order: Sequence[str] | None = None


def sweep_orders(spec: Spec, options: WeightOptions, *ids: int) -> Iterator[tuple[Family, ...]]:
    """The order of the families in each sweep, without end; ``ids`` number the random stream."""
    generator = seeds.stream("weight-match-order", *ids)
    while True:
        if options.order is not None:
            of = {group: family for family in spec.families for group in family}
            yield tuple(dict.fromkeys(of[group] for group in options.order))
        else:
            shuffled = torch.randperm(len(spec.families), generator=generator).tolist()
            yield tuple(spec.families[k] for k in shuffled)


class Pairs:
    """A stack of pairs, ready for the descent; the spec is plain."""

    def __init__(self, spec: Spec, ref: State, other: State) -> None:
        self.spec, self.ref, self.other = spec, ref, other
        self.terms = {group: GroupTerms(spec, ref, other, group) for group in spec.groups}
        self.count = len(next(iter(ref.values())))
        self.touched = {family: self._touched(family) for family in spec.families}

    def _touched(self, family: Family) -> frozenset[Family]:
        """The families that share a tensor with this one; itself if one tensor carries it twice."""
        near = frozenset[str]().union(*(self.spec.neighbours(group) for group in family))
        twice = any(self.terms[group].self_coupled for group in family)
        return frozenset(
            other
            for other in self.spec.families
            if (twice or near & set(family) if other == family else near & set(other))
        )

    def objective(self, perms: dict[str, Tensor]) -> Float[Tensor, " models"]:
        """Inner product of ref with the permuted other."""
        return inner_product(self.spec, self.ref, Permutation(self.spec, perms).act(self.other))


@dataclass
class Descent:
    """One coordinate descent in progress: where every pair stands."""

    perms: dict[str, Int[Tensor, "models _"]]
    objective: Float[Tensor, " models"]
    stale: dict[Family, Tensor]  # [models] whether a neighbour changed since its last solve
    history: list[Tensor]
    sweeps: Int[Tensor, " models"]
    active: Tensor  # [models] pairs whose last sweep changed something
    running: dict[str, RunningSimilarity]


def _descend(
    pairs: Pairs, start: dict[str, Tensor], orders: Iterator[tuple[Family, ...]], options
) -> Descent:
    objective = pairs.objective(start)
    everyone = torch.ones(pairs.count, dtype=torch.bool, device=objective.device)
    now = Descent(
        perms=dict(start),
        objective=objective,
        stale={family: everyone.clone() for family in pairs.spec.families},
        history=[objective],
        sweeps=torch.zeros_like(everyone, dtype=torch.long),
        active=everyone.clone(),
        running={group: RunningSimilarity(terms) for group, terms in pairs.terms.items()},
    )
    for _ in range(options.max_sweeps):
        moved = torch.zeros_like(everyone)
        for family in next(orders):
            chosen = (now.active & now.stale[family]) if options.skip else now.active
            moved |= _update(pairs, now, family, chosen.nonzero().squeeze(-1), options.rtol)
        now.sweeps += now.active
        now.history.append(now.objective)
        now.active = now.active & moved
        if not now.active.any():
            break
    return now


def _update(
    pairs: Pairs, now: Descent, family: Family, chosen: Int[Tensor, " pairs"], rtol: float
) -> Tensor:
    """Solve one family of the chosen pairs; returns which of all pairs changed."""
    changed = torch.zeros_like(now.active)
    if len(chosen) == 0:
        return changed
    now.stale[family][chosen] = False
    similar = {group: now.running[group].at(now.perms, chosen) for group in family}
    old = {group: now.perms[group][chosen] for group in family}
    new = solve_family(pairs.spec, similar)
    gain = total_value(similar, new) - total_value(similar, old)
    if family in pairs.touched[family]:  # on two axes of one tensor: no longer linear in it
        trial = {group: now.perms[group].index_copy(0, chosen, new[group]) for group in family}
        gain = (pairs.objective({**now.perms, **trial}) - now.objective)[chosen]
    scale = torch.stack([pairs.terms[group].scale for group in family]).sum(0)
    better = gain > rtol * scale[chosen]
    changed[chosen] = better
    for group in family:
        kept = torch.where(better.unsqueeze(-1), new[group], old[group])
        now.perms[group] = now.perms[group].index_copy(0, chosen, kept)
    now.objective = now.objective.index_add(0, chosen, torch.where(better, gain, 0.0))
    for other in pairs.touched[family]:
        now.stale[other] |= changed
    return changed


def best_start(pairs: Pairs, init: dict[str, Tensor], seed: int, options) -> Descent:
    """Run every start and keep, pair by pair, the end with the largest objective."""
    best = _descend(pairs, init, sweep_orders(pairs.spec, options, seed, 0), options)
    for restart in range(1, options.restarts):
        start = _random_start(pairs.spec, init, seed, restart)
        found = _descend(pairs, start, sweep_orders(pairs.spec, options, seed, restart), options)
        best = _better(best, found)
    return best


def _random_start(
    spec: Spec, init: dict[str, Tensor], seed: int, restart: int
) -> dict[str, Tensor]:
    generator = seeds.stream("weight-match-start", seed, restart)
    sizes = {group: perm.shape[-1] for group, perm in init.items()}
    drawn = Permutation.random(spec, sizes, generator).perms
    return {group: drawn[group].to(perm.device).expand_as(perm) for group, perm in init.items()}


def _better(old: Descent, new: Descent) -> Descent:
    wins = new.objective > old.objective
    length = max(len(old.history), len(new.history))
    pasts = [run.history + run.history[-1:] * (length - len(run.history)) for run in (old, new)]
    return Descent(
        perms={
            group: torch.where(wins.unsqueeze(-1), new.perms[group], old.perms[group])
            for group in old.perms
        },
        objective=torch.where(wins, new.objective, old.objective),
        stale={},
        history=[torch.where(wins, theirs, mine) for mine, theirs in zip(*pasts, strict=True)],
        sweeps=torch.where(wins, new.sweeps, old.sweeps),
        active=torch.where(wins, new.active, old.active),
        running={},
    )
