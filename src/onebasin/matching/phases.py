r"""Matching of sine units by their phases on data: the full group, one assignment for each layer.

Two sine units agree on an input if their phases :math:`\varphi = \omega_0 z` do, up to whole turns.
How well they agree over data, under each of the four ways to lay one on the other, follows from two
products of activations. So the best way is known for every two units, and the layers do not depend
on one another: nothing is iterated.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.matching.assignment import solve
from onebasin.matching.capture import activations
from onebasin.matching.result import Match
from onebasin.matching.signed import INNER, OUTER
from onebasin.networks.inputs import per_model
from onebasin.parallel import spread
from onebasin.registry import register
from onebasin.symmetry.dihedral import Dihedral, biases
from onebasin.symmetry.spec import Spec, State


@dataclass(frozen=True)
class PhaseOptions:
    """Options of :func:`phase_match`.

    Args:
        spread: Weight of the mean squared distance of the phases beside their cosine. The cosine
            sees no difference between half a turn and ten and a half; a straight line between two
            networks, on which phases run through all turns in between, does.
        batch: Samples run through the networks at once.
    """

    spread: float = 0.1
    batch: int = 4096


@register(
    name="phase",
    label="phases on data",
    colour="#4010A8",
    marker="D",
    dash=":",
    cost="data pass",
    hollow=True,
)
@torch.no_grad()
def phase_match(
    spec: Spec,
    ref: State,
    other: State,
    *,
    network: nn.Module,
    data: Tensor,
    omega: float,
    options: PhaseOptions | None = None,
) -> Match[Dihedral]:
    r"""Permute, flip and shift the sine units of ``other`` so that its phases meet ``ref``'s.

    With :math:`\varphi_i` and :math:`\chi_j` the phases of units i of ref and j of other on the
    same inputs, every layer by itself:

    .. math:: \arg\max_{\pi, f, k}\; \sum_i \mathbb E\left[ \cos(\varphi_i - f_i \chi_{\pi(i)}
              - k_i \pi) - \tfrac{c}{2} (\varphi_i - f_i \chi_{\pi(i)} - k_i \pi)^2 \right]

    The first term is :math:`(-1)^k (\mathbb E[\cos\varphi\cos\chi] + f\, \mathbb
    E[\sin\varphi\sin\chi])`, so its best value over all f and k is the sum of the two absolute
    values. In the second term, with weight :math:`c` (``options.spread``), k is the number of half
    periods of the right parity that brings the mean phases nearest.

    Source: ours. It is activation matching ([ainsworth2023], §3.1) for the group of the sine.

    Args:
        spec: The groups, each with one bias.
        ref: One network, or a stack of them.
        other: The networks to be moved, one for each of ref.
        network: The kind of network; called with ``capture="pre"``.
        data: Inputs ``[samples fan]``, shared, or ``[models samples fan]``.
        omega: Frequency :math:`\omega_0` of the sines.
        options: Weight of the second term, batch size.

    Returns:
        Element for ``other``; the objective is the sum above over all layers (at most the number
        of units), beside that of the units as they stand in ``history``. O(units^2 samples) time
        for each layer, and one assignment.

    Raises:
        InputError: if the networks do not fit one another, a group has no bias of its own, there
            are no data, or an option is out of range.
    """
    options = options or PhaseOptions()
    spec.check_pair(ref, other)
    _check(spec, data, omega, options)
    models = spec.models(ref)
    own = models is not None and per_model(network, data, models)

    def work(pair: int) -> dict[str, tuple[Tensor, ...]]:
        # A module that has no ``run`` has its parameters exchanged while it is called.
        own_net = network if hasattr(network, "run") else copy.deepcopy(network)
        mine, theirs = (
            state if models is None else {n: t[pair] for n, t in state.items()}
            for state in (ref, other)
        )
        tables = _Tables()
        for x in (data[pair] if own else data).split(options.batch):
            seen = [activations(own_net, spec, state, x, "pre") for state in (mine, theirs)]
            for group in spec.groups:
                tables.add(group, *(s[group] for s in seen), omega=omega)
        return {group: _best(tables.at(group), options.spread) for group in spec.groups}

    found = spread(work, range(models or 1), data.device)
    return _joined(spec, found, omega=omega, single=models is None)


class _Tables:
    """Running means of products of cosines, sines and phases of the units of two networks."""

    def __init__(self) -> None:
        self.sums: dict[str, dict[str, Tensor]] = {}
        self.centre: dict[str, tuple[Tensor, Tensor]] = {}
        self.count: dict[str, int] = {}

    def add(self, group: str, ref: Tensor, other: Tensor, *, omega: float) -> None:
        """Take in pre-activations ``[samples units]`` of both networks at the same samples."""
        pair = (ref * omega, other * omega)
        if group not in self.sums:  # products of deviations from here: no cancellation of means
            self.centre[group] = (pair[0].mean(0), pair[1].mean(0))
            self.count[group] = 0
        near = [phase - centre for phase, centre in zip(pair, self.centre[group], strict=True)]
        sums = {
            "cos": pair[0].cos().mT @ pair[1].cos(),
            "sin": pair[0].sin().mT @ pair[1].sin(),
            "cross": near[0].mT @ near[1],
            "ref": near[0].sum(0),
            "other": near[1].sum(0),
            "ref_square": near[0].square().sum(0),
            "other_square": near[1].square().sum(0),
        }
        old = self.sums.get(group, {})
        self.sums[group] = {n: t.double() + old.get(n, 0.0) for n, t in sums.items()}
        self.count[group] += len(ref)

    def at(self, group: str) -> dict[str, Tensor]:
        """Means over all samples: products, and means, variances and covariances of the phases."""
        held = {name: total / self.count[group] for name, total in self.sums[group].items()}
        means = held["ref"], held["other"]
        held["cross"] = held["cross"] - means[0].unsqueeze(-1) * means[1].unsqueeze(-2)
        for name, mean, centre in zip(("ref", "other"), means, self.centre[group], strict=True):
            held[f"{name}_square"] = held[f"{name}_square"] - mean.square()
            held[name] = mean + centre.double()
        return held


def _best(held: Mapping[str, Tensor], weight: float) -> tuple[Tensor, ...]:
    """Permutation, signs, half periods, value, and value of the units as they stand."""
    values, shifts = zip(*(_candidate(held, f, s, weight) for f, s in _ways()), strict=True)
    best, way = torch.stack(values).max(0)
    perm = solve(best)
    rows = torch.arange(len(perm), device=perm.device)
    chosen = way[rows, perm]
    sign = torch.tensor(INNER, dtype=torch.int8, device=perm.device)[chosen]
    shift = torch.stack(shifts)[chosen, rows, perm]
    return perm, sign, shift, best[rows, perm].sum(), _still(held, weight)


def _still(held: Mapping[str, Tensor], weight: float) -> Float[Tensor, ""]:
    """What the units are worth as they stand: each on its own place, no flip and no shift."""
    spread = held["ref_square"] + held["other_square"]
    gap = spread - 2 * held["cross"].diagonal() + (held["ref"] - held["other"]).square()
    return ((held["cos"] + held["sin"]).diagonal() - weight / 2 * gap).sum()


def _ways() -> Iterator[tuple[int, int]]:
    return zip(INNER, OUTER, strict=True)


def _candidate(
    held: Mapping[str, Tensor], inner: int, outer: int, weight: float
) -> tuple[Float[Tensor, "units units"], Int[Tensor, "units units"]]:
    """What one way to lay units on units is worth, and the half periods it takes."""
    odd = int(inner != outer)
    value = inner * outer * held["cos"] + outer * held["sin"]
    away = held["ref"].unsqueeze(-1) - inner * held["other"].unsqueeze(-2) - odd * math.pi
    turns = (away / (2 * math.pi)).round()
    spread = held["ref_square"].unsqueeze(-1) + held["other_square"].unsqueeze(-2)
    gap = spread - 2 * inner * held["cross"] + (away - 2 * math.pi * turns).square()
    return value - weight / 2 * gap, odd + 2 * turns.long()


def _joined(
    spec: Spec, found: list[dict[str, tuple[Tensor, ...]]], *, omega: float, single: bool
) -> Match[Dihedral]:
    def part(index: int) -> dict[str, Tensor]:
        stacks = {g: torch.stack([one[g][index] for one in found]) for g in spec.groups}
        return {g: t[0] if single else t for g, t in stacks.items()}

    perms, signs, shifts, ends, starts = (part(index) for index in range(5))
    history = torch.stack([torch.stack(list(v.values())).sum(0) for v in (starts, ends)])
    return Match(
        element=Dihedral(spec, perms, signs, shifts, omega),
        objective=history[-1],
        history=history,
        sweeps=torch.ones_like(history[-1], dtype=torch.long),
        converged=torch.ones_like(history[-1], dtype=torch.bool),
    )


def _check(spec: Spec, data: Tensor, omega: float, options: PhaseOptions) -> None:
    biases(spec)
    if not spec.groups:
        raise InputError("spec", list(spec.axes), "has no group of units to match")
    if not 0 < omega < math.inf:
        raise InputError("omega", omega, "must be a positive, finite frequency")
    if data.ndim < 2 or data.numel() == 0:
        raise InputError("data", tuple(data.shape), "give at least one sample [samples fan]")
    if not torch.isfinite(data).all():
        raise InputError("data", "NaN or infinite", "has entries that are not finite; clean it")
    for name, least in (("spread", 0), ("batch", 1)):
        if not getattr(options, name) >= least:
            raise InputError(f"options.{name}", getattr(options, name), f"must be {least} or more")
