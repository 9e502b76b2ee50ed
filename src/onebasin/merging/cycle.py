"""Many networks in one universe of units: cycle-consistent permutations by Frank-Wolfe."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from onebasin import seeds
from onebasin.errors import InputError
from onebasin.matching.nested import solve_groups
from onebasin.matching.result import ConvergenceWarning
from onebasin.merging.many import ManyOptions, merge_many
from onebasin.symmetry.action import apply
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.spec import Spec, State

Matrices = dict[str, Tensor]  # group -> [models units units], doubly stochastic


@dataclass(frozen=True)
class CycleOptions:
    """Options of :func:`merge_cycle`.

    Args:
        max_steps: Frank-Wolfe steps at most.
        rtol: They end when one raises the objective by less than this fraction of its size (the sum
            of squares of all weights).
        restarts: Starts in all, the first from the identities, the others from random permutations;
            the best end is returned.
        turns: How the rounded end is finished, network by network.
    """

    max_steps: int = 50
    rtol: float = 1e-6
    restarts: int = 1
    turns: ManyOptions = field(default_factory=ManyOptions)


@dataclass(frozen=True, eq=False)
class Universe:
    """Many networks, each with a permutation into one common order of units.

    Args:
        state: Mean of the aligned networks, in their dtype.
        element: The permutation of each network into the universe, a stack.
        objective: Sum over pairs of the inner products of the aligned weights (float64).
        history: The same for the relaxed permutations, before the first Frank-Wolfe step and after
            each one; it never falls.
        turns: The same after rounding, and after each network was looked at alone; never falls.
        settled: Whether the Frank-Wolfe steps ended before there were ``max_steps``.
        converged: Whether no network, aligned to the others, could be aligned better.
    """

    state: dict[str, Tensor]
    element: Permutation
    objective: Float[Tensor, ""]
    history: Float[Tensor, " steps"]
    turns: Float[Tensor, " turns"]
    settled: bool
    converged: bool

    def between(self, source: int, target: int) -> Permutation:
        """The permutation that aligns network ``source`` to network ``target``.

        It goes through the universe, so that going from A to B and on to C is going from A to C.
        """
        return self.element.select(target).inverse() @ self.element.select(source)


def merge_cycle(
    spec: Spec, states: State, *, seed: int = 0, options: CycleOptions | None = None
) -> Universe:
    r"""Align many networks at once to a common universe of units, and average them there.

    .. math:: \max_{P^1, \dots, P^N}
        \sum_{p < q} \langle P^p \theta_p, P^q \theta_q \rangle
        = \tfrac12 \Bigl\| \sum_p P^p \theta_p \Bigr\|^2
        - \tfrac12 \sum_p \bigl\| P^p \theta_p \bigr\|^2

    The permutations are relaxed to doubly stochastic matrices, all of which move together towards
    the assignments that the gradient asks for, by the step that is best on that line. As a weight
    has at most a few axes with units, the objective is there a polynomial of low degree, whose
    maximum is read off the roots of its derivative. The end is rounded by one assignment each, and
    then each network is aligned to the mean of the others until none can be aligned better.

    Source: [crisostomi2024], §3. Departures: biases and all other tensors that carry a group take
    part; the line search is exact; restarts; the turns at the end
    (:func:`~onebasin.merging.many.merge_many`), without which relabelled copies of one network are
    not always put together.

    Args:
        spec: The groups.
        states: Stack of two or more networks.
        seed: Number of the random starts.
        options: Limits and tolerances.

    Raises:
        InputError: if there are fewer than two networks or they do not fit the spec.
    """
    options = options or CycleOptions()
    spec.check(states, "states")
    models = spec.models(states)
    if models is None or models < 2:
        raise InputError("states", f"{models or 1} network", "give a stack of two or more")
    for name in ("max_steps", "restarts"):
        if getattr(options, name) < 1:
            raise InputError(f"options.{name}", getattr(options, name), "must be 1 or more")
    work = _Relaxed(spec, states)
    ends = [_finish(work, states, seed, restart, options) for restart in range(options.restarts)]
    best = max(ends, key=lambda end: float(end.objective))  # the first of equals
    limits = []
    if not best.settled:
        limits.append(f"the Frank-Wolfe steps stopped at options.max_steps={options.max_steps}")
    if not best.converged:
        rounds = options.turns.max_rounds
        limits.append(f"the networks still moved after options.turns.max_rounds={rounds}")
    if limits:
        text = f"{' and '.join(limits)} before they converged; raise it, or use the best found"
        warnings.warn(text, ConvergenceWarning, stacklevel=2)
    return best


def _finish(
    work: _Relaxed, states: State, seed: int, restart: int, options: CycleOptions
) -> Universe:
    """One start: Frank-Wolfe, rounding, turns."""
    rounded, history, settled = work.climb(work.start(seed, restart), options)
    moved = apply(rounded, {name: states[name] for name in work.whole.axes})
    done = merge_many(work.whole, moved, seed=seed, options=options.turns)
    return Universe(
        state=done.state,
        element=done.element @ rounded,
        objective=done.history[-1],
        history=torch.stack(history),
        turns=done.history,
        settled=settled,
        converged=done.converged,
    )


class _Relaxed:
    """The objective of doubly stochastic matrices: its value, its gradient and its lines."""

    def __init__(self, spec: Spec, states: State) -> None:
        _, unfolded = spec.unfold({name: states[name] for name in spec.axes})
        self.whole, self.spec = spec, spec.matched
        self.states = {name: unfolded[name].detach().double() for name in self.spec.axes}
        self.sizes, self.models = spec.sizes(states), len(next(iter(self.states.values())))
        self.device = next(iter(self.states.values())).device
        self.scale = float(sum(t.square().sum() for t in self.states.values()))

    def start(self, seed: int, restart: int) -> Permutation:
        """The identity of every network, or a random permutation of each."""
        if restart == 0:
            return Permutation.identity(self.whole, self.sizes, self.models).to(self.device)
        generator = seeds.stream("merge-cycle-start", seed, restart)
        drawn = Permutation.random(self.whole, self.sizes, generator, self.models)
        return drawn.to(self.device)

    def climb(
        self, start: Permutation, options: CycleOptions
    ) -> tuple[Permutation, list[Tensor], bool]:
        """Frank-Wolfe from one start: the rounded end, the objective's path, whether it ended."""
        now: Matrices = start.matrices()
        settled = False
        value, slope = self.gradient(now)
        history = [value]
        for _ in range(options.max_steps):
            corner = Permutation(self.whole, solve_groups(self.whole, slope)).matrices()
            step = {group: corner[group] - now[group] for group in now}
            length = best_length(self.line(now, step))
            now = {group: now[group] + length * step[group] for group in now}
            value, slope = self.gradient(now)
            history.append(value)
            settled = bool(value - history[-2] <= options.rtol * self.scale)
            if settled:
                break
        return Permutation(self.whole, solve_groups(self.whole, now)), history, settled

    def moved(self, matrices: Matrices) -> dict[str, Tensor]:
        """Every tensor with every axis multiplied by the matrix of its group."""
        return {
            name: self._along(tensor, self.spec.axes[name], matrices)
            for name, tensor in self.states.items()
        }

    def value(self, moved: State) -> Tensor:
        """Sum of the inner products of all pairs."""
        parts = [t.sum(0).square().sum() - t.square().sum() for t in moved.values()]
        return torch.stack(parts).sum() / 2

    def gradient(self, now: Matrices) -> tuple[Tensor, Matrices]:
        """The objective and its gradient, units of the universe in the rows."""
        leaves = {group: matrix.detach().requires_grad_() for group, matrix in now.items()}
        value = self.value(self.moved(leaves))
        slopes = torch.autograd.grad(value, list(leaves.values()))
        return value.detach(), dict(zip(leaves, slopes, strict=True))

    def line(self, now: Matrices, step: Matrices) -> list[float]:
        r"""Coefficients of the objective at ``now + t step``, of :math:`t^0, t^1, \dots`."""
        total: dict[int, float] = {}
        for name, tensor in self.states.items():
            on = self.spec.axes[name]
            powers = self._powers(tensor, on, now, step)
            for i, left in powers.items():
                for j, right in powers.items():
                    pairs = (left.sum(0) * right.sum(0)).sum() - (left * right).sum()
                    total[i + j] = total.get(i + j, 0.0) + float(pairs) / 2
        return [total.get(degree, 0.0) for degree in range(max(total) + 1)]

    def _powers(self, tensor: Tensor, on: tuple, now: Matrices, step: Matrices) -> dict:
        """The moved tensor on the line, sorted by powers of its parameter."""
        powers = {0: tensor}
        for axis, group in enumerate(on):
            if group is None:
                continue
            grown: dict[int, Tensor] = {}
            for degree, part in powers.items():
                for more, matrix in ((0, now[group]), (1, step[group])):
                    moved = _multiply(part, matrix, axis + 1)
                    known = grown.get(degree + more)
                    grown[degree + more] = moved if known is None else known + moved
            powers = grown
        return powers

    def _along(self, tensor: Tensor, on: tuple, matrices: Matrices) -> Tensor:
        for axis, group in enumerate(on):
            if group is not None:
                tensor = _multiply(tensor, matrices[group], axis + 1)
        return tensor


def best_length(coefficients: list[float]) -> float:
    """Where in [0, 1] a polynomial is largest; the longer step where several are."""
    line = np.polynomial.Polynomial(coefficients)
    roots = line.deriv().roots() if len(coefficients) > 2 else np.array([])
    real = roots[np.abs(roots.imag) <= 1e-9 * (1 + np.abs(roots.real))].real
    places = np.concatenate([[1.0], np.sort(real[(real > 0) & (real < 1)])[::-1], [0.0]])
    return float(places[np.argmax(line(places))])


def _multiply(tensor: Tensor, matrix: Float[Tensor, "models rows units"], axis: int) -> Tensor:
    """``matrix`` times the units on ``axis`` of every network of the stack."""
    front = tensor.movedim(axis, 1)
    product = matrix @ front.flatten(2) if front.ndim > 2 else matrix @ front.unsqueeze(-1)
    return product.reshape(front.shape).movedim(1, axis)
