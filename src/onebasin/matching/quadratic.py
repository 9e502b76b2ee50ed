r"""The matching problem of weights under the microscope: small enough to look at every answer.

Weight matching maximises a sum of bilinear assignments (SOBLAP),

.. math:: \rho(P_1, \dots, P_{L-1}) = \sum_{l=1}^{L} \langle A_l, P_l B_l P_{l-1}^\top\rangle_F,
    \qquad P_0 = P_L = I,

over the weight matrices :math:`A_l, B_l` of two networks, here without biases, as the papers print
it. The matcher for real networks is :mod:`onebasin.matching.weight`; this module has what it takes
to check it: enumeration, and the plain algorithm with a choice of what to do at a tie. Why no
method is known that always finds the best answer: :mod:`onebasin.matching.reductions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin import seeds
from onebasin.errors import InputError
from onebasin.matching import assignment

Weights = Sequence[Tensor]
Perms = Sequence[Tensor]
Choice = Callable[[Tensor, Tensor], Tensor]

LIMIT = 6
"""Most units that are enumerated (6! = 720)."""


def random_pair(widths: Sequence[int], *ids: int) -> tuple[list[Tensor], list[Tensor]]:
    """Standard normal weight matrices of two chains, float64, by the numbers of the draw."""
    generator, pair = seeds.stream("chain", *ids), []
    for _ in range(2):
        shapes = zip(widths[1:], widths[:-1], strict=True)
        pair.append([torch.randn(*s, generator=generator, dtype=torch.float64) for s in shapes])
    return pair[0], pair[1]


def every(units: int) -> Int[Tensor, "count units"]:
    """All permutations of ``units`` things in lexicographic order, the identity first.

    Raises:
        InputError: if there are more than :data:`LIMIT` units.
    """
    if not 1 <= units <= LIMIT:
        raise InputError("units", units, f"enumeration takes 1 to {LIMIT} units")
    return torch.tensor(list(permutations(range(units))))


def index(perm: Int[Tensor, " units"]) -> int:
    """Place of a permutation in :func:`every`."""
    return int((every(len(perm)) == perm).all(-1).nonzero()[0, 0])


def linear_values(similarity: Float[Tensor, "units units"]) -> Float[Tensor, " count"]:
    r"""Objective :math:`\langle P, S\rangle_F` of every permutation, in :func:`every`'s order."""
    ways = every(len(similarity))
    return similarity[torch.arange(len(similarity)), ways].sum(-1)


def bilinear_values(
    left: Float[Tensor, "units units"], right: Float[Tensor, "units units"]
) -> Float[Tensor, "count count"]:
    r"""Objective :math:`\langle P A Q^\top, B\rangle_F` of every pair of permutations.

    Args:
        left: A, whose rows and columns are permuted.
        right: B.

    Returns:
        Entry ``[p, q]`` belongs to ``every(units)[p]`` for the rows and ``[q]`` for the columns.
    """
    ways = every(len(left))
    moved = left[ways][:, :, ways].movedim(1, 2)  # [rows' way, columns' way, units, units]
    return (moved * right).sum((-2, -1))


def objective(ref: Weights, other: Weights, perms: Perms) -> float:
    """SOBLAP objective of one choice of permutations.

    Args:
        ref: Weight matrices ``[units fan]`` of the network that stays, first layer first.
        other: Weight matrices of the network that is permuted.
        perms: One index vector per hidden layer; unit ``i`` of ``ref`` receives unit ``perm[i]``.

    Returns:
        The inner product of the weights of ``ref`` with those of the permuted ``other``.

    Source: [ainsworth2023], eq. 2.
    """
    return sum(float((a * b).sum()) for a, b in zip(ref, permuted(other, perms), strict=True))


def permuted(other: Weights, perms: Perms) -> list[Tensor]:
    """The matrices :math:`P_l B_l P_{l-1}^T`, the first columns and the last rows left alone."""
    columns = [None, *perms]
    rows = [*perms, None]
    moved = []
    for weight, row, column in zip(other, rows, columns, strict=True):
        weight = weight if row is None else weight[row]
        moved.append(weight if column is None else weight[:, column])
    return moved


def step_similarity(
    ref: Weights, other: Weights, perms: Perms, layer: int
) -> Float[Tensor, "units units"]:
    r"""What one hidden layer sees while the others are held fixed: a linear assignment problem.

    .. math:: S_l = A_l P_{l-1} B_l^\top + A_{l+1}^\top P_{l+1} B_{l+1}

    Args:
        ref: Weight matrices of the network that stays.
        other: Weight matrices of the network that is permuted.
        perms: Current index vectors; that of ``layer`` is not read.
        layer: Hidden layer, 0 for the first.

    Returns:
        ``S``, to be maximised; the objective is ``<P, S>`` plus a number that P does not change.

    Source: [ainsworth2023], §3.2; [ballerini2023], §2.3.2.
    """
    below = other[layer] if layer == 0 else other[layer][:, perms[layer - 1]]
    above = other[layer + 1] if layer == len(perms) - 1 else other[layer + 1][perms[layer + 1]]
    return ref[layer] @ below.T + ref[layer + 1].T @ above


def landscape(ref: Weights, other: Weights) -> Float[Tensor, " ..."]:
    """The SOBLAP objective of every choice of permutations at once.

    Args:
        ref: Weight matrices of the network that stays.
        other: Weight matrices of the network that is permuted.

    Returns:
        One dimension per hidden layer, in the order of :func:`every`. Its maximum is the answer.

    Raises:
        InputError: if a hidden layer has more than :data:`LIMIT` units.
    """
    hidden = len(ref) - 1
    ways = [every(len(weight)) for weight in ref[:-1]]
    total = torch.zeros([len(way) for way in ways], dtype=ref[0].dtype)
    for layer, (a, b) in enumerate(zip(ref, other, strict=True)):
        rows = ways[layer] if layer < hidden else torch.arange(len(b))[None]
        columns = ways[layer - 1] if layer > 0 else torch.arange(b.shape[1])[None]
        moved = b[rows][:, :, columns].movedim(1, 2)  # [rows' way, columns' way, units, fan]
        table = (moved * a).sum((-2, -1)).T  # [columns' way, rows' way]
        shape = [1] * hidden
        if layer > 0:
            shape[layer - 1] = len(columns)
        if layer < hidden:
            shape[layer] = len(rows)
        total = total + table.reshape(shape)
    return total


@dataclass(frozen=True)
class Descent:
    """What coordinate descent did, step by step.

    Args:
        perms: Final index vectors.
        objective: SOBLAP objective at the start and after every step.
        changed: For every step, whether the layer's permutation changed.
        sweeps: Passes over all hidden layers, the last one (without a change) included.
        converged: Whether a pass without a change was reached.
    """

    perms: list[Tensor]
    objective: list[float]
    changed: list[bool]
    sweeps: int
    converged: bool

    def falls(self, rtol: float = 1e-12) -> int:
        """Steps that lowered the objective, or changed a permutation without raising it."""
        values = torch.tensor(self.objective, dtype=torch.float64)
        rise, moved = values.diff() / values.abs().max(), torch.tensor(self.changed)
        return int(((rise < -rtol) | (moved & (rise <= 0))).sum())


def share(value: float, values: Tensor) -> float:
    """Where a value stands between the mean of all choices (0) and the best of them (1)."""
    mean = values.mean()
    return float((value - mean) / (values.max() - mean))


def keep_ties(similarity: Tensor, current: Tensor, rtol: float = 1e-12) -> Tensor:
    """The best assignment, but the current one if it is as good to ``rtol`` of the sum of |S|."""
    found = assignment.solve(similarity)
    unit = torch.arange(len(similarity))
    gain = (similarity[unit, found] - similarity[unit, current]).sum()
    return found if gain > rtol * similarity.abs().sum() else current


def move_on_ties(similarity: Tensor, current: Tensor, rtol: float = 1e-12) -> Tensor:
    """The best assignment, and at a tie always another one than the current (by enumeration)."""
    values = linear_values(similarity)
    slack = rtol * similarity.abs().sum()
    best = every(len(similarity))[values >= values.max() - slack]
    fresh = best[(best != current).any(-1)]
    return fresh[0] if len(fresh) else current


def descend(
    ref: Weights,
    other: Weights,
    *,
    generator: torch.Generator | None = None,
    choose: Choice = keep_ties,
    max_sweeps: int = 100,
    at_once: bool = False,
) -> Descent:
    """Permutation coordinate descent as printed, from the identity, with every step on record.

    Args:
        ref: Weight matrices of the network that stays.
        other: Weight matrices of the network that is permuted.
        generator: Draws the order of the layers anew for each sweep; first to last if not given.
        choose: Takes the similarity and the current permutation of a layer, returns the new one.
        max_sweeps: Passes after which to give up.
        at_once: Do it wrongly: all layers of a sweep see the permutations of the sweep before.

    Returns:
        The permutations found and the objective after every step.

    Source: [ainsworth2023], Algorithm 1, which leaves ``choose`` open at a tie.
    """
    perms = [torch.arange(len(weight)) for weight in ref[:-1]]
    values, changed = [objective(ref, other, perms)], []  # type: ignore[var-annotated]
    for sweep in range(1, max_sweeps + 1):
        before = len(changed)
        order = torch.arange(len(perms))
        if generator is not None:
            order = torch.randperm(len(perms), generator=generator)
        seen = list(perms) if at_once else perms
        for layer in order.tolist():
            new = choose(step_similarity(ref, other, seen, layer), perms[layer])
            changed.append(not torch.equal(new, perms[layer]))
            perms[layer] = new
            values.append(objective(ref, other, perms))
        if not any(changed[before:]):
            return Descent(perms, values, changed, sweep, True)
    return Descent(perms, values, changed, max_sweeps, False)
