"""Straight-through estimator: learn the permutation whose midpoint has the lowest loss."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from onebasin import seeds
from onebasin.errors import InputError
from onebasin.matching.capture import check_evaluating
from onebasin.matching.descent import WeightOptions
from onebasin.matching.result import ConvergenceWarning, Kind, Match
from onebasin.matching.weight import weight_match
from onebasin.networks import population
from onebasin.networks.inputs import owned
from onebasin.registry import register
from onebasin.symmetry.action import apply
from onebasin.symmetry.spec import Spec, State, all_finite

Loss = Callable[[Tensor, Tensor], Tensor]
#: A matcher as ``weight_match`` is one:
#: ``(spec, target, other, *, seed, init, options) -> Match``.
Projection = Callable[..., Match]


@dataclass(frozen=True)
class StraightThroughOptions:
    """Options of :func:`straight_through_match`; the defaults are those of the authors' code.

    Args:
        epochs: Passes over the data (the authors make 250).
        batch: Samples of a step, all of them if there are fewer.
        lr: Step size of SGD.
        momentum: Its momentum.
        learn: What the learned weights stand for: the ``"end"`` of the line, or the ``"midpoint"``.
        start: Where they start: at ``"ref"``, or a ``"random"`` draw of the network.
        max_sweeps: Most sweeps of a projection; 1 is the cheap variant, whose drift is reported.
        project: Matcher that projects; weight matching by default. It may find elements of another
            group, with the same arguments as :func:`~onebasin.matching.weight.weight_match`.
    """

    epochs: int = 25
    batch: int = 1000
    lr: float = 1e-2
    momentum: float = 0.9
    learn: Literal["end", "midpoint"] = "end"
    start: Literal["ref", "random"] = "ref"
    max_sweeps: int = 100
    project: Projection = weight_match


@dataclass(frozen=True, eq=False)
class StraightThrough(Match[Kind]):
    """A match with the way it was learned.

    Args:
        loss: Loss of the midpoint on each step's batch, in the unit of the loss.
        best: The step whose element was kept.
        drift: After each epoch, by how much a projection to convergence raises the projection's
            objective, as a fraction of it; 0 where every projection runs to convergence.
    """

    loss: Float[Tensor, "batches ..."]
    best: Int[Tensor, "*models"]
    drift: Float[Tensor, "epochs ..."]


@register(
    name="straight-through",
    label="straight-through estimator",
    colour="#B23A00",
    marker="x",
    dash="-",
    cite="ainsworth2023",
    cost="training",
)
def straight_through_match(
    spec: Spec,
    ref: State,
    other: State,
    *,
    network: nn.Module,
    data: tuple[Tensor, Tensor],
    loss: Loss,
    seed: int = 0,
    init: Any = None,
    options: StraightThroughOptions | None = None,
) -> StraightThrough:
    r"""Learn the permutation of ``other`` whose midpoint with ``ref`` has the lowest loss.

    .. math:: \min_{\tilde\theta} \mathcal{L}\bigl(\tfrac12 (\theta_A
        + \mathrm{proj}(\tilde\theta))\bigr), \qquad
        \mathrm{proj}(\theta) = \pi(\theta_B),\;
        \pi = \arg\max_\pi \langle\theta,\pi(\theta_B)\rangle

    The loss and its gradient are taken at the projection, and the gradient is applied to the
    unrestricted :math:`\tilde\theta`. If that stands for the midpoint, the projection is that of
    :math:`2\tilde\theta - \theta_A`. Each projection starts at the one before.

    Source: [ainsworth2023], §3.3, eq. (3), Alg. 2. Not printed there but in the authors' code, and
    so here: momentum, the warm start, and that the element with the lowest loss on a single batch
    is kept. All pairs of a stack see the same batches. Running statistics of a batch norm are
    averaged as weights are.

    Args:
        spec: The groups.
        ref: One network, or a stack of them.
        other: The networks to be permuted, one for each of ref.
        network: The kind of network, in evaluation mode.
        data: Inputs and targets, ``[samples ...]`` shared, or ``[models samples ...]``.
        loss: ``loss(output, target)`` of one network, a mean over samples.
        seed: Number of the random orders of samples and groups.
        init: Where the first projection starts.
        options: Step size, epochs, variants.

    Returns:
        Element for ``other``; the objective is minus the lowest loss of a batch, and its history
        that after the first step and after each epoch. ``converged`` says whether the last epoch
        left the element as it was; ``sweeps`` counts those of all projections.

    Raises:
        InputError: if the networks or data do not fit, an option is out of range, or the loss is
            not finite.
    """
    options = options or StraightThroughOptions()
    spec.check_pair(ref, other)
    check_evaluating(network)
    _check(spec, data, options)
    own = owned(network, data, spec.models(ref))
    learned = _start(spec, ref, network, start=options.start, seed=seed)
    run = _Run(spec, (ref, other), network, loss=loss, learned=learned, options=options)
    numbers = _numbers(seed)
    run.element = init
    for epoch in range(options.epochs):
        run.moved = None
        for x, y in _batches(data, options.batch, (seed, epoch), axis=1 if own else 0):
            run.step(x, y, next(numbers), own)
        run.finish_epoch(next(numbers))
    return run.result().warn_unless_converged(f"epochs={options.epochs}")  # type: ignore[return-value]


class _Run:
    """Where the learning stands: learned weights, their last projection, the best one so far."""

    def __init__(
        self,
        spec: Spec,
        pair: tuple[State, State],
        network: nn.Module,
        *,
        loss: Loss,
        learned: dict[str, Tensor],
        options: StraightThroughOptions,
    ) -> None:
        self.spec, self.network, self.loss, self.options = spec, network, loss, options
        self.ref, self.other = pair
        self.learned = learned
        self.speed = {name: torch.zeros_like(tensor) for name, tensor in self.learned.items()}
        self.element: Any = None
        self.moved: Any = None
        self.sweeps: Any = 0
        self.losses: list[Tensor] = []
        self.history: list[Tensor] = []
        self.drift: list[Tensor] = []

    def step(self, x: Tensor, y: Tensor, seed: int, own: bool) -> None:
        """One batch: project, judge the midpoint, keep it if it is the best, and learn."""
        self.match = self.project(seed, self.element, self.options.max_sweeps)
        element, before = self.match.element, self.element
        value, gradient = self.evaluate(element, x, y, own)
        if not self.losses:
            self.best, self.lowest = element, value
            self.best_step = torch.zeros_like(value, dtype=torch.long)
            self.history.append(-value)
        better = value < self.lowest
        self.best = _choose(better, element, self.best)
        self.lowest = torch.where(better, value, self.lowest)
        self.best_step = torch.where(better, len(self.losses), self.best_step)
        self.losses.append(value)
        differs = torch.ones_like(better) if before is None else _differs(before, element)
        self.moved = differs if self.moved is None else self.moved | differs
        self.sweeps = self.sweeps + self.match.sweeps
        self.element = element
        for name, tensor in self.learned.items():
            self.speed[name] = self.options.momentum * self.speed[name] + gradient[name]
            self.learned[name] = tensor - self.options.lr * self.speed[name]
        _check_learned(self.learned, self.options.lr)

    def project(self, seed: int, init: Any, max_sweeps: int) -> Match:
        """The element that brings ``other`` closest to what the learned weights stand for."""
        self.target = dict(self.ref)
        for name, tensor in self.learned.items():
            ahead = self.options.learn == "midpoint"
            self.target[name] = 2 * tensor - self.ref[name] if ahead else tensor
        return self._match(seed, init, max_sweeps)

    def _match(self, seed: int, init: Any, max_sweeps: int) -> Match:
        weight = WeightOptions(max_sweeps=max_sweeps)
        with warnings.catch_warnings():
            if max_sweeps < WeightOptions.max_sweeps:  # asked for; the drift tells what it costs
                warnings.simplefilter("ignore", ConvergenceWarning)
            return self.options.project(
                self.spec, self.target, self.other, seed=seed, init=init, options=weight
            )

    def evaluate(
        self, element: Any, x: Tensor, y: Tensor, own: bool
    ) -> tuple[Float[Tensor, "*models"], dict[str, Tensor]]:
        """Loss of the midpoint with the moved network, and the gradient of the learned weights."""
        moved = apply(element, self.other)
        middle = {
            name: torch.lerp(tensor, moved[name], 0.5) if tensor.is_floating_point() else tensor
            for name, tensor in self.ref.items()
        }
        leaves = {name: middle[name].detach().requires_grad_() for name in self.learned}
        output = population.call(self.network, middle | leaves, x)
        if self.spec.models(self.ref) is None:
            value = self.loss(output, y)
        else:
            value = torch.vmap(self.loss, in_dims=(0, 0 if own else None))(output, y)
        _check_loss(value, len(self.losses))
        found = torch.autograd.grad(value.sum(), list(leaves.values()), allow_unused=True)
        share = 1.0 if self.options.learn == "midpoint" else 0.5
        gradient = {
            name: torch.zeros_like(leaf) if slope is None else share * slope
            for (name, leaf), slope in zip(leaves.items(), found, strict=True)
        }
        return value.detach().double(), gradient

    def finish_epoch(self, seed: int) -> None:
        """Note the lowest loss so far, and how far the last projection was from converged."""
        self.history.append(-self.lowest)
        gap = torch.zeros_like(self.lowest)
        if not bool(self.match.converged.all()):
            full = self._match(seed, self.element, WeightOptions.max_sweeps)
            gap = (full.objective - self.match.objective) / full.objective.abs().clamp(min=1e-300)
        self.drift.append(gap)

    def result(self) -> StraightThrough:
        """What was learned."""
        return StraightThrough(
            element=self.best,
            objective=self.history[-1],
            history=torch.stack(self.history),
            sweeps=self.sweeps,
            converged=~self.moved,
            loss=torch.stack(self.losses),
            best=self.best_step,
            drift=torch.stack(self.drift),
        )


def _start(
    spec: Spec, ref: State, network: nn.Module, *, start: str, seed: int
) -> dict[str, Tensor]:
    source = ref
    if start == "random":
        drawn = population.initialise(network, [seed], stream="straight-through-start")
        source = {n: drawn[n][0].to(ref[n]).expand_as(ref[n]) for n in spec.compared}
    return {name: source[name].detach().clone() for name in spec.compared}


def _numbers(seed: int) -> Iterator[int]:
    """Numbers of the orders of the projections; the first is that of plain weight matching."""
    draw = seeds.numpy_stream("straight-through-orders", seed)
    yield seed
    while True:
        yield int(draw.integers(2**31))


def _batches(
    data: tuple[Tensor, Tensor], size: int, ids: tuple[int, int], *, axis: int
) -> Iterator[tuple[Tensor, Tensor]]:
    x, y = data
    samples = x.shape[axis]
    generator = seeds.stream("straight-through-batches", *ids)
    order = torch.randperm(samples, generator=generator).to(x.device)
    size = min(size, samples)
    for start in range(0, samples - size + 1, size):
        rows = order[start : start + size]
        yield x.index_select(axis, rows), y.index_select(axis, rows)


def _choose(better: Tensor, new: Any, old: Any) -> Any:
    """Pair by pair the new element or the old one."""
    chosen = {
        part: {
            group: torch.where(better.unsqueeze(-1), tensor, getattr(old, part)[group])
            for group, tensor in getattr(new, part).items()
        }
        for part in type(new).parts
    }
    return replace(new, **chosen)


def _differs(old: Any, new: Any) -> Tensor:
    gaps = [
        (tensor != getattr(old, part)[group]).any(-1)
        for part in type(new).parts
        for group, tensor in getattr(new, part).items()
    ]
    return torch.stack(torch.broadcast_tensors(*gaps)).any(0)


def _check(spec: Spec, data: tuple[Tensor, Tensor], options: StraightThroughOptions) -> None:
    choices = {"learn": ("end", "midpoint"), "start": ("ref", "random")}
    for name, allowed in choices.items():
        if getattr(options, name) not in allowed:
            raise InputError(f"options.{name}", getattr(options, name), f"choose one of {allowed}")
    for name, least in (("epochs", 1), ("batch", 1), ("max_sweeps", 1), ("lr", 0), ("momentum", 0)):
        if not getattr(options, name) >= least:
            raise InputError(f"options.{name}", getattr(options, name), f"must be {least} or more")
    if not spec.groups:
        raise InputError("spec", spec.groups, "has no group of units to match")
    if len(data) != 2 or data[0].numel() == 0 or data[1].numel() == 0:
        raise InputError("data", [tuple(t.shape) for t in data], "give inputs and targets")


def _check_loss(value: Tensor, step: int) -> None:
    if not torch.isfinite(value).all():
        remedy = f"is not finite between the two networks at step {step}; check them and the data"
        raise InputError("loss", float("nan"), remedy)


def _check_learned(learned: State, lr: float) -> None:
    if not all(all_finite(tensor.square()) for tensor in learned.values()):
        raise InputError("options.lr", lr, "the learned weights stopped being finite; lower it")
