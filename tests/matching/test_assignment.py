import sys

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from onebasin.errors import InputError
from onebasin.matching import assignment
from onebasin.matching.assignment import brute_force, solve, value


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(params=["lapx", "scipy"], autouse=True)
def solver(request, monkeypatch):
    """Every test with the optional package and without it."""
    if request.param == "lapx":
        pytest.importorskip("lap")
        assert assignment._lapjvr() is not None
    else:
        monkeypatch.setattr(assignment, "_lapjvr", lambda: None)


@pytest.mark.parametrize("units", range(1, 7))
@pytest.mark.parametrize("seed", range(5))
def test_brute_force_agrees(units, seed):
    similarity = random(3, units, units, seed=seed)
    assert torch.equal(solve(similarity), brute_force(similarity))


@pytest.mark.parametrize(
    "make",
    [
        lambda n: random(n, n),
        lambda n: random(n, 2) @ random(2, n, seed=1),
        lambda n: random(n, n).round(),
        lambda n: torch.zeros(n, n).double(),
        lambda n: torch.where(torch.arange(n)[:, None] % 3 == 0, 0.0, random(n, n)),
        lambda n: 1e200 * random(n, n),
        lambda n: 1e-200 * random(n, n),
        lambda n: (5 * random(n, n)).exp(),
        lambda n: random(n, n) + 1e6,
        lambda n: torch.cat([random(n - n // 2, n)] * 2)[:n],
    ],
    ids=["plain", "rank 2", "whole", "zero", "dead", "huge", "tiny", "wild", "offset", "twins"],
)
def test_degenerate_similarities_are_solved_to_the_best_value(make):
    for units in (1, 2, 30, 150):
        similarity = make(units)
        rows, columns = linear_sum_assignment(similarity.numpy(), maximize=True)
        best = similarity.numpy()[rows, columns].sum()
        found = value(similarity, solve(similarity)).item()
        assert found == pytest.approx(best, rel=1e-12, abs=1e-300)


def test_a_stack_is_its_members_on_any_number_of_threads():
    similarity = random(7, 120, 120)
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            stacked = solve(similarity)
            assert all(torch.equal(stacked[k], solve(similarity[k])) for k in range(7))
    finally:
        torch.set_num_threads(before)
    assert solve(similarity.reshape(7, 1, 120, 120)).shape == (7, 1, 120)


def test_planted_permutation_and_value():
    perm = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    similarity = torch.nn.functional.one_hot(perm).double()
    assert torch.equal(solve(similarity), perm)
    assert value(similarity, perm) == 40
    assert value(similarity.expand(2, 40, 40), perm.expand(2, 40)).tolist() == [40, 40]


def test_the_input_is_left_alone():
    similarity = random(20, 20)
    before = similarity.clone()
    solve(similarity)
    assert torch.equal(similarity, before)
    assert torch.equal(solve(similarity.float()), solve(similarity.float().double()))


@pytest.mark.bad_input
def test_bad_similarities_are_refused():
    for bad in (float("nan"), float("inf"), -float("inf")):
        similarity = random(4, 4)
        similarity[1, 2] = bad
        for method in (solve, brute_force):
            with pytest.raises(InputError, match="not finite"):
                method(similarity)
    for shape in ((3, 4), (5,), ()):
        with pytest.raises(InputError, match="a square per model"):
            solve(torch.zeros(shape))
    with pytest.raises(InputError, match="8 or fewer"):
        brute_force(random(9, 9))


def test_without_the_optional_package_scipy_is_used(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "lap", None)  # importing it now fails
    assignment._lapjvr.cache_clear()
    try:
        assert assignment._lapjvr() is None
        assert sorted(solve(random(5, 5)).tolist()) == list(range(5))
    finally:
        assignment._lapjvr.cache_clear()


def test_both_solvers_are_exact_on_many_draws():
    lap = pytest.importorskip("lap")
    generator = np.random.default_rng(0)
    for _ in range(200):
        cost = generator.normal(size=(25, 25))
        rows, columns = linear_sum_assignment(cost)
        found = lap.lapjvr(cost)[-1]
        assert cost[rows, columns].sum() == pytest.approx(cost[rows, found].sum(), rel=1e-12)
