"""Weight matching: coordinate descent over layers, each an assignment (Git Re-Basin, Alg. 1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin import seeds
from onebasin.errors import InputError
from onebasin.matching.assignment import solve, value
from onebasin.matching.identity import identity_match
from onebasin.matching.result import Match
from onebasin.matching.similarity import GroupTerms, RunningSimilarity, inner_product
from onebasin.registry import register
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.spec import Spec, State

#: Most float64 numbers of one chunk of a stack (two networks a pair, each kept in two layouts).
_CHUNK_ELEMENTS = 1 << 26


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


@register(
    name="weight",
    label="weight matching",
    colour="#005A9C",
    marker="o",
    dash="-",
    cite="ainsworth2023",
    cost="assignments",
)
def weight_match(
    spec: Spec,
    ref: State,
    other: State,
    *,
    seed: int = 0,
    init: Permutation | None = None,
    options: WeightOptions = WeightOptions(),
) -> Match[Permutation]:
    r"""Permute ``other`` so that its weights come close to those of ``ref``; needs no data.

    .. math:: \arg\max_\pi \langle \theta_A, \pi(\theta_B) \rangle
              = \arg\min_\pi \| \theta_A - \pi(\theta_B) \|^2

    One group at a time, in random order, the others held fixed: a linear assignment. No step lowers
    the objective, so it ends.

    Source: [ainsworth2023], §3.2, eq. (2), Alg. 1. Departures: every tensor that carries a group
    takes part, biases too; similarities are float64; the tolerance is relative and a tie keeps the
    old permutation; groups whose neighbours did not change are skipped (same result).

    Args:
        spec: The groups.
        ref: One network, or a stack of them.
        other: The networks to be permuted, one for each of ref.
        seed: Number of the random order of groups and of the restarts, the same for each pair.
        init: Where to start; the identity by default.
        options: Limits and tolerances.

    Returns:
        Permutation of ``other``; the objective is the inner product (dimensionless).

    Raises:
        InputError: if the networks do not fit one another or an option is out of range.
    """
    spec.check_pair(ref, other)
    _check_options(spec, options)
    if not spec.groups:
        return identity_match(spec, ref, other)
    models, sizes = spec.models(ref), spec.sizes(ref)
    device = next(iter(ref.values())).device
    first = init if init is not None else Permutation.identity(spec, sizes, models)
    perms = _starts(spec, first.to(device), sizes, models or 1)
    moving = Spec({name: on for name, on in spec.axes.items() if any(on)})
    left, right = (_as_stack(moving, state, models) for state in (ref, other))
    per_pair = 4 * sum(tensor[0].numel() for tensor in left.values())
    per_pair += 2 * sum(units**2 for units in sizes.values())
    chunk = max(1, _CHUNK_ELEMENTS // max(per_pair, 1))
    parts = []
    for start in range(0, models or 1, chunk):
        part = slice(start, start + chunk)
        pairs = _Pairs(
            moving, *({n: t[part].double() for n, t in s.items()} for s in (left, right))
        )
        parts.append(_best_start(pairs, {g: p[part] for g, p in perms.items()}, seed, options))
    whole = _join(spec, parts, single=models is None)
    return whole.warn_unless_converged(f"max_sweeps={options.max_sweeps}")


def sweep_orders(spec: Spec, options: WeightOptions, *ids: int) -> Iterator[tuple[str, ...]]:
    """The order of the groups in each sweep, without end; ``ids`` number the random stream."""
    generator = seeds.stream("weight-match-order", *ids)
    while True:
        if options.order is not None:
            yield tuple(options.order)
        else:
            shuffled = torch.randperm(len(spec.groups), generator=generator).tolist()
            yield tuple(spec.groups[k] for k in shuffled)


class _Pairs:
    """A stack of pairs, ready for the descent."""

    def __init__(self, spec: Spec, ref: State, other: State) -> None:
        self.spec, self.ref, self.other = spec, ref, other
        self.terms = {group: GroupTerms(spec, ref, other, group) for group in spec.groups}
        self.count = len(next(iter(ref.values())))

    def objective(self, perms: dict[str, Tensor]) -> Float[Tensor, " models"]:
        """Inner product of ref with the permuted other."""
        return inner_product(self.spec, self.ref, Permutation(self.spec, perms).act(self.other))


@dataclass
class _Descent:
    """One coordinate descent in progress: where every pair stands."""

    perms: dict[str, Int[Tensor, "models _"]]
    objective: Float[Tensor, " models"]
    stale: dict[str, Tensor]  # group -> [models] whether a neighbour changed since its last solve
    history: list[Tensor]
    sweeps: Int[Tensor, " models"]
    active: Tensor  # [models] pairs whose last sweep changed something
    running: dict[str, RunningSimilarity]


def _descend(
    pairs: _Pairs, start: dict[str, Tensor], orders: Iterator[tuple[str, ...]], options
) -> _Descent:
    objective = pairs.objective(start)
    everyone = torch.ones(pairs.count, dtype=torch.bool, device=objective.device)
    now = _Descent(
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
    pairs: _Pairs, now: _Descent, group: str, chosen: Int[Tensor, " pairs"], rtol: float
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


def _best_start(pairs: _Pairs, init: dict[str, Tensor], seed: int, options) -> _Descent:
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


def _better(old: _Descent, new: _Descent) -> _Descent:
    wins = new.objective > old.objective
    length = max(len(old.history), len(new.history))
    pasts = [run.history + run.history[-1:] * (length - len(run.history)) for run in (old, new)]
    return _Descent(
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


def _join(spec: Spec, parts: list[_Descent], *, single: bool) -> Match[Permutation]:
    length = max(len(part.history) for part in parts)
    pasts = [torch.stack(p.history + p.history[-1:] * (length - len(p.history))) for p in parts]
    drop = (lambda tensor: tensor.squeeze(-1)) if single else (lambda tensor: tensor)
    perms = {group: torch.cat([part.perms[group] for part in parts]) for group in spec.groups}
    return Match(
        element=Permutation(spec, {g: p[0] if single else p for g, p in perms.items()}),
        objective=drop(torch.cat([part.objective for part in parts])),
        history=drop(torch.cat(pasts, 1)),
        sweeps=drop(torch.cat([part.sweeps for part in parts])),
        converged=drop(torch.cat([~part.active for part in parts])),
    )


def _as_stack(spec: Spec, state: State, models: int | None) -> dict[str, Tensor]:
    whole = {name: state[name].detach() for name in spec.axes}
    return {name: t.unsqueeze(0) for name, t in whole.items()} if models is None else whole


def _starts(spec: Spec, init: Permutation, sizes: dict, models: int) -> dict[str, Tensor]:
    if init.spec != spec or {g: p.shape[-1] for g, p in init.perms.items()} != sizes:
        raise InputError("init", init.spec.groups, f"must permute groups of sizes {sizes}")
    if init.models not in (None, models):
        raise InputError("init", f"{init.models} models", f"must be single or a stack of {models}")
    return {group: perm.expand(models, -1) for group, perm in init.perms.items()}


def _check_options(spec: Spec, options: WeightOptions) -> None:
    for name, least in (("max_sweeps", 1), ("restarts", 1), ("rtol", 0)):
        if not getattr(options, name) >= least:
            raise InputError(f"options.{name}", getattr(options, name), f"must be {least} or more")
    if options.order is not None and sorted(options.order) != sorted(spec.groups):
        remedy = f"must name each group once: {list(spec.groups)}"
        raise InputError("options.order", list(options.order), remedy)
