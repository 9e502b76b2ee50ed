"""One network out of many: each in turn aligned to the mean of the others (MERGEMANY)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin import seeds
from onebasin.errors import InputError
from onebasin.matching.descent import WeightOptions
from onebasin.matching.weight import weight_match
from onebasin.symmetry.action import apply
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.spec import Spec, State


@dataclass(frozen=True)
class ManyOptions:
    """Options of :func:`merge_many`.

    Args:
        max_rounds: Rounds over all networks after which to give up.
        weight: Options of the weight matching of one network to the mean of the others.
    """

    max_rounds: int = 100
    weight: WeightOptions = field(default_factory=WeightOptions)


@dataclass(frozen=True, eq=False)
class Merged:
    """Many networks in one.

    Args:
        state: Mean of the aligned networks, in their dtype.
        element: The permutation of each network, a stack.
        history: Sum over pairs of the inner product of their weights (float64), before the first
            network and after each one was looked at.
        rounds: Rounds made, the last one, which changed nothing, included.
        converged: Whether the last round changed nothing.
    """

    state: dict[str, Tensor]
    element: Permutation
    history: Float[Tensor, " steps"]
    rounds: int
    converged: bool


def merge_many(
    spec: Spec, states: State, *, seed: int = 0, options: ManyOptions | None = None
) -> Merged:
    r"""Align many networks with one another and average them.

    In every round, in random order, each network is aligned by weight matching to the mean of the
    others. That raises its inner product with their sum and touches no other pair, so

    .. math:: \sum_{i < j} \langle \theta_i, \theta_j \rangle

    never falls, and with finitely many permutations the rounds end.

    Source: [ainsworth2023], A.6, Alg. 3. The paper does not name the quantity that rises.

    Args:
        spec: The groups.
        states: Stack of two or more networks.
        seed: Number of the random orders.
        options: Limits and tolerances.

    Raises:
        InputError: if there are fewer than two networks or they do not fit the spec.
    """
    options = options or ManyOptions()
    spec.check(states, "states")
    models = spec.models(states)
    if models is None or models < 2:
        raise InputError("states", f"{models or 1} network", "give a stack of two or more")
    if options.max_rounds < 1:
        raise InputError("options.max_rounds", options.max_rounds, "must be 1 or more")
    work = _Work(spec, states)
    draw = seeds.numpy_stream("merge-many", seed)
    rounds, moved = 0, [True]
    while any(moved) and rounds < options.max_rounds:
        rounds += 1
        order = draw.permutation(models).tolist()
        numbers = draw.integers(2**31, size=models).tolist()
        moved = [work.align(k, s, options.weight) for k, s in zip(order, numbers, strict=True)]
    merged = {name: t.mean(0).to(states[name].dtype) for name, t in work.states.items()}
    return Merged(
        state=merged,
        element=Permutation.stack(work.perms),
        history=torch.stack(work.history),
        rounds=rounds,
        converged=not any(moved),
    )


class _Work:
    """The networks as they stand, their sum, and the permutations that led there."""

    def __init__(self, spec: Spec, states: State) -> None:
        self.spec = spec
        self.states = {name: states[name].detach().double().clone() for name in spec.axes}
        sizes, device = spec.sizes(states), next(iter(self.states.values())).device
        still = Permutation.identity(spec, sizes).to(device)
        self.perms = [still] * len(next(iter(self.states.values())))
        self.history = [self.pairwise()]

    def pairwise(self) -> Float[Tensor, ""]:
        """Sum of the inner products of all pairs of networks."""
        total = torch.zeros((), dtype=torch.float64)
        for name in self.spec.compared:
            flat = self.states[name].flatten(1)
            total = total + (flat.sum(0).square().sum() - flat.square().sum()).cpu() / 2
        return total

    def align(self, model: int, seed: int, options: WeightOptions) -> bool:
        """Align one network to the mean of the others; returns whether that moved it."""
        count = len(self.perms)
        mine = {name: tensor[model] for name, tensor in self.states.items()}
        mean = {name: (t.sum(0) - t[model]) / (count - 1) for name, t in self.states.items()}
        step = weight_match(self.spec, mean, mine, seed=seed, options=options).element
        units = sum(perm.shape[-1] for perm in step.perms.values())
        moved = int(sum(step.fixed_points().values())) < units
        if moved:
            for name, tensor in apply(step, mine).items():
                self.states[name][model] = tensor
            self.perms[model] = step @ self.perms[model]
        self.history.append(self.pairwise())
        return moved
