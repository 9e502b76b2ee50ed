"""Linear assignment: which unit goes with which, when similarities of pairs are all that counts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import permutations

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from onebasin.errors import InputError
from onebasin.symmetry.spec import all_finite

#: Below this many units a thread costs more than the assignment it runs.
_UNITS_WORTH_A_THREAD = 96


def solve(similarity: Float[Tensor, "*models units units"]) -> Int[Tensor, "*models units"]:
    r"""The permutation with the largest summed similarity, exactly.

    .. math:: \arg\max_\pi \sum_i S_{i \pi(i)}

    Source: [kuhn1955]; we maximise where the textbooks minimise. A stack is solved one assignment
    a thread, on as many threads as torch is allowed (the solvers release Python's lock).

    Two exact solvers are used. SciPy's shortest augmenting paths always work. Where the optional
    package ``lapx`` is installed its ``lapjvr`` takes over, except if a row is constant (a dead
    unit). Milliseconds for 512 units on one core of an AMD EPYC, ``benchmarks/matching.py``:

    ============================  =====  =======
    similarity                    SciPy  lapjvr
    ============================  =====  =======
    two random layers               6.5      1.8
    planted, noisy                  4.4      1.5
    aligned already                 1.0      0.2
    activations after ReLU         10.6      2.6
    30 % of the units dead          1.6      5.9
    ============================  =====  =======

    Args:
        similarity: Rows are units of ``ref``, columns units of ``other``.

    Returns:
        ``perm[i] = j``: unit i of ref receives unit j of other. O(units^3) time.

    Raises:
        InputError: if an entry is not finite or the matrix is not square.
    """
    _check(similarity)
    costs = similarity.detach().to("cpu", torch.float64).neg().contiguous().numpy()
    stack = costs.reshape(-1, *costs.shape[-2:])
    workers = min(len(stack), torch.get_num_threads())
    if workers > 1 and costs.shape[-1] >= _UNITS_WORTH_A_THREAD:
        with ThreadPoolExecutor(workers) as pool:
            rows = list(pool.map(_solve_one, stack))
    else:
        rows = [_solve_one(cost) for cost in stack]
    found = torch.from_numpy(np.array(rows, dtype=np.int64).reshape(costs.shape[:-1]))
    return found.to(similarity.device)


def brute_force(similarity: Float[Tensor, "*models units units"]) -> Int[Tensor, "*models units"]:
    """The same by trying every permutation; the oracle of the tests.

    Ties go to the permutation first in lexicographic order.

    Raises:
        InputError: as for :func:`solve`, and for more than 8 units.
    """
    _check(similarity)
    units = similarity.shape[-1]
    if units > 8:
        raise InputError("similarity", f"{units} units", "brute force needs 8 or fewer; use solve")
    every = torch.tensor(list(permutations(range(units))), device=similarity.device)
    flat = similarity.double().reshape(-1, units, units)
    values = flat[:, torch.arange(units, device=flat.device), every].sum(-1)
    return every[values.argmax(-1)].reshape(similarity.shape[:-1])


def value(
    similarity: Float[Tensor, "*models units units"], perm: Int[Tensor, "*models units"]
) -> Float[Tensor, "*models"]:
    """Summed similarity of a permutation, the quantity that :func:`solve` maximises."""
    return similarity.gather(-1, perm.unsqueeze(-1)).sum((-1, -2))


def _solve_one(cost: np.ndarray) -> np.ndarray:
    jonker_volgenant = _lapjvr()
    if jonker_volgenant is None or _has_constant_row(cost):
        return linear_sum_assignment(cost)[1]
    return jonker_volgenant(cost)[-1]


def _has_constant_row(cost: np.ndarray) -> bool:
    suspects = cost[cost[:, 0] == cost[:, -1]]
    return bool((suspects == suspects[:, :1]).all(-1).any())


@cache
def _lapjvr() -> Callable | None:
    try:
        import lap
    except ImportError:
        return None
    return getattr(lap, "lapjvr", None)  # lapx before 0.11 has none


def _check(similarity: Tensor) -> None:
    shape = tuple(similarity.shape)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise InputError("similarity", shape, "must be [*models units units], a square per model")
    if not all_finite(similarity):
        raise InputError(
            "similarity", "NaN or infinite", "has entries that are not finite; check the weights"
        )
