"""Coordinate descent over groups of units: each step an assignment, none a step down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin import seeds
from onebasin.matching import sweeps
from onebasin.matching.nested import solve_family, total_value
from onebasin.matching.similarity import GroupTerms, RunningSimilarity, inner_product, norms
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.spec import Spec, State

#: Groups that are permuted together; see :attr:`Spec.families`.
Family: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class WeightOptions(sweeps.Limits):
    """Options of :func:`~onebasin.matching.weight.weight_match`: its limits, and nothing else.

    See :class:`~onebasin.matching.sweeps.Limits` for what they are.
    """


def sweep_orders(spec: Spec, options: WeightOptions, *ids: int) -> Iterator[Sequence[Family]]:
    """The order of the families in each sweep, without end; ``ids`` number the random stream."""
    fixed = None
    if options.order is not None:
        of = {group: family for family in spec.families for group in family}
        fixed = tuple(dict.fromkeys(of[group] for group in options.order))
    return sweeps.orders(spec.families, fixed, "weight-match-order", *ids)


class Pairs:
    """A stack of pairs, ready for the descent; the spec is plain."""

    def __init__(self, spec: Spec, ref: State, other: State) -> None:
        self.spec, self.ref, self.other = spec, ref, other
        self.terms = {group: GroupTerms(spec, ref, other, group) for group in spec.groups}
        mine, theirs = norms(spec, ref), norms(spec, other)
        self.scale = {
            family: torch.stack([mine[group] * theirs[group] for group in family]).sum(0)
            for family in spec.families
        }
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


Perms: TypeAlias = dict[str, Int[Tensor, "models _"]]
Descent: TypeAlias = sweeps.Walk[Family, Perms]


def best_start(pairs: Pairs, init: Perms, seed: int, options: WeightOptions) -> Descent:
    """Run every start and keep, pair by pair, the end with the largest objective."""

    def run(restart: int) -> Descent:
        start = _random_start(pairs.spec, init, seed, restart) if restart else dict(init)
        running = {group: RunningSimilarity(terms) for group, terms in pairs.terms.items()}
        return sweeps.descend(
            start,
            pairs.objective(start),
            sweep_orders(pairs.spec, options, seed, restart),
            partial(_solve, pairs, running, options.rtol),
            keys=pairs.spec.families,
            limits=options,
        )

    def choose(wins: Tensor, new: Perms, old: Perms) -> Perms:
        return {group: torch.where(wins, new[group], old[group]) for group in old}

    return sweeps.best_of(run, options, choose)


def _solve(
    pairs: Pairs,
    running: dict[str, RunningSimilarity],
    rtol: float,
    now: Descent,
    family: Family,
    chosen: Int[Tensor, " pairs"],
) -> Tensor:
    """Solve one family of the chosen pairs; returns which of all pairs changed."""
    similar = {group: running[group].at(now.at, chosen) for group in family}
    old = {group: now.at[group][chosen] for group in family}
    new = solve_family(pairs.spec, similar)
    gain = total_value(similar, new) - total_value(similar, old)
    if family in pairs.touched[family]:  # on two axes of one tensor: no longer linear in it
        trial = {group: now.at[group].index_copy(0, chosen, new[group]) for group in family}
        gain = (pairs.objective({**now.at, **trial}) - now.objective)[chosen]
    better = gain > rtol * pairs.scale[family][chosen]
    for group in family:
        kept = torch.where(better.unsqueeze(-1), new[group], old[group])
        now.at[group] = now.at[group].index_copy(0, chosen, kept)
    changed = now.moved(chosen, better, gain)
    for other in pairs.touched[family]:
        now.stale[other] |= changed
    return changed


def _random_start(spec: Spec, init: Perms, seed: int, restart: int) -> Perms:
    generator = seeds.stream("weight-match-start", seed, restart)
    sizes = {group: perm.shape[-1] for group, perm in init.items()}
    drawn = Permutation.random(spec, sizes, generator).perms
    return {group: drawn[group].to(perm.device).expand_as(perm) for group, perm in init.items()}
