"""Sweeps of a coordinate descent over a stack of pairs: what every such matcher has in common."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from onebasin import seeds
from onebasin.errors import InputError
from onebasin.matching.result import Kind, Match
from onebasin.symmetry.spec import Spec, State

#: Float64 numbers of the pairs worked on at once, on a CPU core and on an accelerator.
_CHUNK_ELEMENTS = 1 << 20
_DEVICE_ELEMENTS = 1 << 28

Key = TypeVar("Key", bound=Hashable)
Place = TypeVar("Place")


@dataclass(frozen=True)
class Limits:
    """Limits of a coordinate descent, common to the options of every matcher that makes one.

    Args:
        max_sweeps: Sweeps after which to give up.
        rtol: A solution is replaced only if the objective rises by more than ``rtol`` times the
            most it could be, the product of the norms of the weights that carry the group.
        restarts: Starts in all; the first from ``init``, the others from random elements. The best
            end is returned.
        skip: Pass over groups whose neighbours did not change since their last solution. The
            result is the same.
        order: Groups in the order of every sweep; ``None`` for a new random order each sweep.
            Groups that share blocks are solved together, where the first of them stands.
    """

    max_sweeps: int = 100
    rtol: float = 1e-12
    restarts: int = 1
    skip: bool = True
    order: Sequence[str] | None = None

    def check(self, spec: Spec) -> None:
        """Refuse limits that are out of range for the groups of ``spec``.

        Raises:
            InputError: naming the option, its value and the remedy.
        """
        for name, least in (("max_sweeps", 1), ("restarts", 1), ("rtol", 0)):
            if not getattr(self, name) >= least:
                raise InputError(f"options.{name}", getattr(self, name), f"must be {least} or more")
        if self.order is not None and sorted(self.order) != sorted(spec.groups):
            remedy = f"must name each group once: {list(spec.groups)}"
            raise InputError("options.order", list(self.order), remedy)


@dataclass
class Walk(Generic[Key, Place]):
    """One descent in progress.

    Args:
        at: Where every pair stands.
        objective: Its value there.
        stale: For each of the parts that are solved in turn, which pairs have changed around it
            since its last solution.
        history: The objective before the first sweep and after each.
        sweeps: Sweeps made.
        active: Pairs whose last sweep changed something.
    """

    at: Place
    objective: Float[Tensor, " pairs"]
    stale: dict[Key, Bool[Tensor, " pairs"]]
    history: list[Float[Tensor, " pairs"]]
    sweeps: Int[Tensor, " pairs"]
    active: Bool[Tensor, " pairs"]

    def moved(self, chosen: Int[Tensor, " pairs"], better: Tensor, gain: Tensor) -> Tensor:
        """Count the gain of those chosen pairs that are better; returns them among all pairs."""
        self.objective = self.objective.index_add(0, chosen, torch.where(better, gain, 0.0))
        return torch.zeros_like(self.active).index_copy_(0, chosen, better)


#: ``solve(walk, key, chosen)`` solves one part of the chosen pairs and returns which pairs changed.
Solve = Callable[[Walk, Any, Int[Tensor, " pairs"]], Bool[Tensor, " pairs"]]


def orders(
    keys: Sequence[Key], fixed: Sequence[Key] | None, stream: str, *ids: int
) -> Iterator[Sequence[Key]]:
    """The order of the parts in each sweep, without end: a fixed one, or a new random one."""
    generator = seeds.stream(stream, *ids)
    while True:
        if fixed is not None:
            yield fixed
        else:
            yield tuple(keys[k] for k in torch.randperm(len(keys), generator=generator).tolist())


def descend(
    at: Place,
    objective: Float[Tensor, " pairs"],
    order: Iterator[Sequence[Key]],
    solve: Solve,
    *,
    keys: Sequence[Key],
    limits: Limits,
) -> Walk[Key, Place]:
    """Sweep over all parts until no pair changes any more.

    Args:
        at: Where every pair starts.
        objective: Its value there.
        order: The order of the parts in each sweep, see :func:`orders`.
        solve: See :data:`Solve`; it changes ``at``, ``objective`` and ``stale`` of the walk.
        keys: All parts.
        limits: Most sweeps, and whether to skip.
    """
    everyone = torch.ones_like(objective, dtype=torch.bool)
    stale = {key: everyone.clone() for key in keys}
    sweeps = torch.zeros_like(everyone, dtype=torch.long)
    now = Walk(at, objective, stale, [objective], sweeps, everyone.clone())
    for _ in range(limits.max_sweeps):
        moved = torch.zeros_like(everyone)
        for key in next(order):
            chosen = ((now.active & now.stale[key]) if limits.skip else now.active).nonzero()
            if len(chosen):
                now.stale[key][chosen[:, 0]] = False
                moved |= solve(now, key, chosen[:, 0])
        now.sweeps += now.active
        now.history.append(now.objective)
        now.active = now.active & moved
        if not now.active.any():
            break
    return now


def best_of(
    run: Callable[[int], Walk[Key, Place]],
    limits: Limits,
    choose: Callable[[Bool[Tensor, " pairs 1"], Place, Place], Place],
) -> Walk[Key, Place]:
    """Run every start and keep, pair by pair, the end with the largest objective.

    Args:
        run: Gives the descent from the start of this number, 0 for the given one.
        limits: Number of starts.
        choose: ``choose(wins, new, old)``: the one place where it wins, the other elsewhere.
    """
    best = run(0)
    for restart in range(1, limits.restarts):
        new = run(restart)
        wins = new.objective > best.objective
        pasts = zip(*_padded([new, best]), strict=True)
        best = replace(
            best,
            at=choose(wins.unsqueeze(-1), new.at, best.at),
            objective=torch.where(wins, new.objective, best.objective),
            history=[torch.where(wins, mine, theirs) for mine, theirs in pasts],
            sweeps=torch.where(wins, new.sweeps, best.sweeps),
            active=torch.where(wins, new.active, best.active),
        )
    return best


def joined(element: Kind, walks: Sequence[Walk], *, single: bool) -> Match[Kind]:
    """What the matcher returns: all parts of a stack together, or the only pair of all.

    Args:
        element: The element of all pairs, or of the only one.
        walks: The descents, in the order of the pairs.
        single: Whether there is but one pair, without a leading dimension.
    """
    drop = (lambda tensor: tensor.squeeze(-1)) if single else (lambda tensor: tensor)
    return Match(
        element=element,
        objective=drop(torch.cat([walk.objective for walk in walks])),
        history=drop(torch.cat([torch.stack(past) for past in _padded(walks)], 1)),
        sweeps=drop(torch.cat([walk.sweeps for walk in walks])),
        converged=drop(torch.cat([~walk.active for walk in walks])),
    )


def _padded(walks: Sequence[Walk]) -> list[list[Tensor]]:
    """The histories, made equally long: what has ended keeps its last value."""
    length = max(len(walk.history) for walk in walks)
    return [walk.history + walk.history[-1:] * (length - len(walk.history)) for walk in walks]


def as_stack(spec: Spec, state: State, models: int | None) -> dict[str, Tensor]:
    """The tensors that a spec speaks of, with a leading dimension of pairs (1 for one network)."""
    whole = {name: state[name].detach() for name in spec.axes}
    return {name: t.unsqueeze(0) for name, t in whole.items()} if models is None else whole


def pairs_at_once(per_pair: int, pairs: int, device: torch.device) -> int:
    """How many pairs to work on together, at most a thread's share of them.

    Args:
        per_pair: Numbers that one pair needs room for.
        pairs: Pairs in all.
        device: Where the work is done.
    """
    if device.type != "cpu":
        return max(1, _DEVICE_ELEMENTS // per_pair)
    share = -(-pairs // torch.get_num_threads())
    return max(1, min(_CHUNK_ELEMENTS // per_pair, share))
