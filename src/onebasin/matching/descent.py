"""Coordinate descent over groups of units: each step an assignment, none a step down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin import seeds
from onebasin.matching.assignment import solve, value
from onebasin.matching.similarity import GroupTerms, RunningSimilarity, inner_product
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.spec import Spec, State


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
    """

    max_sweeps: int = 100
    rtol: float = 1e-12
    restarts: int = 1
    skip: bool = True
    order: Sequence[str] | None = None


def sweep_orders(spec: Spec, options: WeightOptions, *ids: int) -> Iterator[tuple[str, ...]]:
    """The order of the groups in each sweep, without end; ``ids`` number the random stream."""
    generator = seeds.stream("weight-match-order", *ids)
    while True:
        if options.order is not None:
            yield tuple(options.order)
        else:
            shuffled = torch.randperm(len(spec.groups), generator=generator).tolist()
            yield tuple(spec.groups[k] for k in shuffled)


class Pairs:
    """A stack of pairs, ready for the descent."""

    def __init__(self, spec: Spec, ref: State, other: State) -> None:
        self.spec, self.ref, self.other = spec, ref, other
        self.terms = {group: GroupTerms(spec, ref, other, group) for group in spec.groups}
        self.count = len(next(iter(ref.values())))

    def objective(self, perms: dict[str, Tensor]) -> Float[Tensor, " models"]:
        """Inner product of ref with the permuted other."""
        return inner_product(self.spec, self.ref, Permutation(self.spec, perms).act(self.other))


@dataclass
class Descent:
    """One coordinate descent in progress: where every pair stands."""

    perms: dict[str, Int[Tensor, "models _"]]
    objective: Float[Tensor, " models"]
    stale: dict[str, Tensor]  # group -> [models] whether a neighbour changed since its last solve
    history: list[Tensor]
    sweeps: Int[Tensor, " models"]
    active: Tensor  # [models] pairs whose last sweep changed something
    running: dict[str, RunningSimilarity]


def _descend(
    pairs: Pairs, start: dict[str, Tensor], orders: Iterator[tuple[str, ...]], options
) -> Descent:
    objective = pairs.objective(start)
    everyone = torch.ones(pairs.count, dtype=torch.bool, device=objective.device)
    now = Descent(
        perms=dict(start),
        objective=objective,
        stale={group: everyone.clone() for group in pairs.spec.groups},
        history=[objective],
        sweeps=torch.zeros_like(everyone, dtype=torch.long),
        active=everyone.clone(),
        running={group: RunningSimilarity(terms) for group, terms in pairs.terms.items()},
    )
    for _ in range(options.max_sweeps):
        moved = torch.zeros_like(everyone)
        for group in next(orders):
            chosen = (now.active & now.stale[group]) if options.skip else now.active
            moved |= _update(pairs, now, group, chosen.nonzero().squeeze(-1), options.rtol)
        now.sweeps += now.active
        now.history.append(now.objective)
        now.active = now.active & moved
        if not now.active.any():
            break
    return now


def _update(
    pairs: Pairs, now: Descent, group: str, chosen: Int[Tensor, " pairs"], rtol: float
) -> Tensor:
    """Solve one group of the chosen pairs; returns which of all pairs changed."""
    changed = torch.zeros_like(now.active)
    if len(chosen) == 0:
        return changed
    terms = pairs.terms[group]
    now.stale[group][chosen] = False
    similarity = now.running[group].at(now.perms, chosen)
    old = now.perms[group][chosen]
    new = solve(similarity)
    gain = value(similarity, new) - value(similarity, old)
    if terms.self_coupled:  # the group stands on two axes of a tensor: no longer linear in it
        trial = now.perms[group].index_copy(0, chosen, new)
        gain = (pairs.objective({**now.perms, group: trial}) - now.objective)[chosen]
    better = gain > rtol * terms.scale[chosen]
    changed[chosen] = better
    now.perms[group] = now.perms[group].index_copy(
        0, chosen, torch.where(better.unsqueeze(-1), new, old)
    )
    now.objective = now.objective.index_add(0, chosen, torch.where(better, gain, 0.0))
    touched = pairs.spec.neighbours(group) | ({group} if terms.self_coupled else set())
    for neighbour in touched:
        now.stale[neighbour] |= changed
    return changed


def best_start(pairs: Pairs, init: dict[str, Tensor], seed: int, options) -> Descent:
    """Run every start and keep, pair by pair, the end with the largest objective."""
    best = _descend(pairs, init, sweep_orders(pairs.spec, options, seed, 0), options)
    for restart in range(1, options.restarts):
        start = _random_start(init, seed, restart)
        found = _descend(pairs, start, sweep_orders(pairs.spec, options, seed, restart), options)
        best = _better(best, found)
    return best


def _random_start(init: dict[str, Tensor], seed: int, restart: int) -> dict[str, Tensor]:
    generator = seeds.stream("weight-match-start", seed, restart)
    return {
        group: torch.randperm(perm.shape[-1], generator=generator).to(perm.device).expand_as(perm)
        for group, perm in init.items()
    }


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
