"""The matching problem of weights at sizes where every answer can be looked at."""

from __future__ import annotations

import math

import pytest
import torch

from onebasin import seeds
from onebasin.errors import InputError
from onebasin.matching import WeightOptions, reductions, weight_match
from onebasin.matching import quadratic as q
from onebasin.symmetry import chain

SIZES = [(3, 4, 2), (4, 4, 4, 3), (2, 3, 4, 2, 2), (1, 1, 1), (2, 1, 3, 1)]


def weights(widths: tuple[int, ...], *ids: int) -> list[torch.Tensor]:
    generator = seeds.stream("quadratic", *ids)
    pairs = zip(widths[1:], widths[:-1], strict=True)
    return [torch.randn(u, f, generator=generator, dtype=torch.float64) for u, f in pairs]


def random_perms(widths: tuple[int, ...], seed: int) -> list[torch.Tensor]:
    generator = seeds.stream("quadratic-perms", seed)
    return [torch.randperm(units, generator=generator) for units in widths[1:-1]]


def matrix(perm: torch.Tensor) -> torch.Tensor:
    return torch.eye(len(perm), dtype=torch.float64)[perm]


def test_every_lists_all_permutations_once():
    ways = q.every(4)
    assert ways.shape == (24, 4) and len({tuple(way) for way in ways.tolist()}) == 24
    assert ways[0].tolist() == [0, 1, 2, 3]
    with pytest.raises(InputError, match="1 to 6"):
        q.every(7)


@pytest.mark.parametrize("widths", SIZES)
def test_objective_is_equation_2_with_matrices(widths):
    ref, other, perms = weights(widths, 0), weights(widths, 1), random_perms(widths, 0)
    ends = [matrix(p) for p in perms]
    rows = [*ends, torch.eye(widths[-1], dtype=torch.float64)]
    columns = [torch.eye(widths[0], dtype=torch.float64), *ends]
    want = sum(
        (a * (p @ b @ r.T)).sum() for a, b, p, r in zip(ref, other, rows, columns, strict=True)
    )
    assert q.objective(ref, other, perms) == pytest.approx(float(want))


@pytest.mark.parametrize("widths", SIZES)
def test_landscape_holds_the_objective_of_every_choice(widths):
    ref, other = weights(widths, 2), weights(widths, 3)
    values = q.landscape(ref, other)
    ways = [q.every(units) for units in widths[1:-1]]
    assert values.shape == tuple(math.factorial(units) for units in widths[1:-1])
    for where in torch.cartesian_prod(*(torch.arange(len(way)) for way in ways)).view(
        -1, len(ways)
    )[::7]:
        perms = [way[index] for way, index in zip(ways, where, strict=True)]
        assert float(values[tuple(where)]) == pytest.approx(q.objective(ref, other, perms))


@pytest.mark.parametrize("widths", SIZES)
def test_step_similarity_differs_from_the_objective_by_a_constant(widths):
    ref, other, perms = weights(widths, 4), weights(widths, 5), random_perms(widths, 1)
    for layer, units in enumerate(widths[1:-1]):
        values = q.linear_values(q.step_similarity(ref, other, perms, layer))
        whole = []
        for way in q.every(units):
            whole.append(q.objective(ref, other, [*perms[:layer], way, *perms[layer + 1 :]]))
        gap = torch.tensor(whole, dtype=torch.float64) - values
        assert float(gap.max() - gap.min()) < 1e-10


def test_bilinear_values_are_the_middle_layer_of_a_network_of_three():
    left, right = weights((4, 4), 6)[0], weights((4, 4), 7)[0]
    zero = torch.zeros(4, 2, dtype=torch.float64)
    whole = q.landscape([zero, right, zero.T], [zero, left, zero.T])  # [columns' way, rows' way]
    assert torch.allclose(whole.T, q.bilinear_values(left, right))


@pytest.mark.parametrize("widths", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_descent_never_falls_and_ends_where_no_single_layer_can_gain(widths, seed):
    ref, other = weights(widths, 8, seed), weights(widths, 9, seed)
    found = q.descend(ref, other, generator=seeds.stream("quadratic-order", seed))
    steps = torch.tensor(found.objective, dtype=torch.float64).diff()
    assert found.converged and (steps >= -1e-9).all()
    for step, moved in zip(steps, found.changed, strict=True):
        assert (step > 0) == moved
    assert found.falls() == 0
    for layer in range(len(found.perms)):
        similarity = q.step_similarity(ref, other, found.perms, layer)
        best = q.linear_values(similarity).max()
        units = torch.arange(len(similarity))
        assert float(best) == pytest.approx(float(similarity[units, found.perms[layer]].sum()))


def test_one_hidden_layer_is_solved_exactly_in_one_step():
    for seed in range(10):
        ref, other = weights((3, 5, 2), 10, seed), weights((3, 5, 2), 11, seed)
        found = q.descend(ref, other)
        assert found.objective[1] == pytest.approx(float(q.landscape(ref, other).max()))


def twins() -> list[torch.Tensor]:
    one = weights((2, 3, 2), 12)
    one[0][1], one[1][:, 1] = one[0][0], one[1][:, 0]
    return one


def test_at_a_tie_the_choice_decides_whether_the_descent_ends():
    ref = twins()
    assert q.descend(ref, ref).converged
    restless = q.descend(ref, ref, choose=q.move_on_ties, max_sweeps=50)
    assert not restless.converged and all(restless.changed)
    assert max(restless.objective) == pytest.approx(min(restless.objective))


@pytest.mark.parametrize("units", [2, 3, 4, 5])
def test_above_the_bound_equal_pairs_win_and_keep_the_small_objective(units):
    for seed in range(5):
        flow, distance = (weights((units, units), k, seed)[0] for k in (13, 14))
        left, right, constant = reductions.from_qap(flow, distance, 5.0 + 1e-9)
        values = q.bilinear_values(left, right)
        equal = values.diagonal()
        rest = values[~torch.eye(len(values), dtype=torch.bool)]
        assert equal.max() < rest.min()
        small = q.bilinear_values(flow, distance).diagonal()
        assert torch.allclose(equal - constant, small, atol=1e-9 * float(values.abs().max()))


def test_a_small_factor_lets_unequal_pairs_win():
    flow, distance = (weights((4, 4), k)[0] for k in (15, 16))
    values = q.bilinear_values(*reductions.from_qap(flow, distance, 0.1)[:2])
    assert values.min() < values.diagonal().min()


def test_biclique_minimum_counts_missing_edges():
    adjacency = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]])
    problems = [reductions.from_biclique(adjacency, k) for k in (1, 2, 3)]
    lacking = [float(q.bilinear_values(*problem).min()) for problem in problems]
    assert lacking[:2] == [0, 0] and lacking[2] > 0
    found = [reductions.has_biclique(adjacency.bool(), k) for k in (1, 2, 3)]
    assert found == [True, True, False]
    with pytest.raises(InputError, match="1 to 4"):
        reductions.from_biclique(adjacency, 5)


def test_separation_agrees_with_the_big_problem_written_out():
    flow, distance = (weights((4, 4), k)[0] for k in (17, 18))
    factors = torch.tensor([0.0, 0.3, 1.0, 5.0], dtype=torch.float64)
    unit = 4 * float(torch.stack([flow, distance]).abs().max())
    for factor, found in zip(factors, reductions.separation(flow, distance, factors), strict=True):
        values = q.bilinear_values(*reductions.from_qap(flow, distance, float(factor))[:2])
        rest = values[~torch.eye(len(values), dtype=torch.bool)]
        want = (rest.min() - values.diagonal().max()) / unit**2
        assert float(found) == pytest.approx(float(want), abs=1e-9)


@pytest.mark.parametrize("units", [2, 3, 4])
def test_any_answer_to_the_reduction_is_a_good_approximation(units):
    for seed in range(5):
        flow, distance = (weights((units, units), k, seed)[0] for k in (19, 20))
        values = q.bilinear_values(*reductions.from_qap(flow, distance, 5.001)[:2])
        assert float(values[0, 0] / values.min()) >= 1 - 2 / (25 * units - 9)


def test_descent_agrees_with_the_matcher_for_real_networks():
    spec = chain(3)
    for seed in range(5):
        ref, other = weights((4, 6, 6, 3), 21, seed), weights((4, 6, 6, 3), 22, seed)
        states = [
            {
                f"layers.{k}.{part}": w if part == "weight" else w.new_zeros(len(w))
                for k, w in enumerate(net)
                for part in ("weight", "bias")
            }
            for net in (ref, other)
        ]
        found = q.descend(ref, other)
        match = weight_match(spec, *states, options=WeightOptions(order=spec.groups))
        assert float(match.objective) == pytest.approx(found.objective[-1])
        assert [match.element.perms[g].tolist() for g in spec.groups] == [
            perm.tolist() for perm in found.perms
        ]


def test_updating_all_layers_at_once_falls_and_is_counted():
    falls = 0
    for case in range(10):
        ref, other = q.random_pair((4, 6, 6, 6, 3), case)
        falls += q.descend(ref, other, at_once=True, max_sweeps=10).falls()
    assert falls > 0


def test_share_is_one_at_the_best_and_zero_at_the_mean():
    values = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)
    assert q.share(6.0, values) == 1 and q.share(3.0, values) == 0
