"""Cycle-consistent merging: permutations into one universe of units."""

import itertools

import pytest
import torch

from helpers import close, draw, network
from onebasin.errors import InputError
from onebasin.matching.exhaustive import group_elements
from onebasin.matching.result import ConvergenceWarning
from onebasin.merging import CycleOptions, ManyOptions, merge_cycle, merge_many
from onebasin.merging.cycle import _Relaxed, best_length
from onebasin.networks import READY
from onebasin.symmetry import Permutation, apply

WIDTHS = (4, 9, 7, 3)
SPEC = network(WIDTHS)


def pairwise(spec, states):
    flat = torch.cat([states[name].double().flatten(1) for name in spec.compared], 1)
    gram = flat @ flat.T
    return float((gram.sum() - gram.trace()) / 2)


def equal(left, right):
    return all(torch.equal(left.perms[group], right.perms[group]) for group in left.perms)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("models", [2, 3, 5])
def test_cycles_are_exact_and_the_objective_never_falls(models, dtype):
    states = draw(SPEC, WIDTHS, 0, models=models, dtype=dtype)
    found = merge_cycle(SPEC, states, options=CycleOptions(max_steps=500))
    assert found.converged and found.settled
    for a, b, c in itertools.product(range(models), repeat=3):
        assert equal(found.between(b, c) @ found.between(a, b), found.between(a, c))
    scale = sum(float(t.double().square().sum()) for t in states.values())
    for past in (found.history, found.turns):
        assert (past.diff() >= -1e-13 * scale).all()
    moved = apply(found.element, states)
    assert found.history[0].item() == pytest.approx(pairwise(SPEC, states), rel=1e-9)
    assert found.objective.item() == pytest.approx(pairwise(SPEC, moved), rel=1e-9)
    assert found.objective > found.history[0]
    mean = {name: t.double().mean(0) for name, t in moved.items()}
    assert all(close(found.state[name].double(), mean[name], dtype) for name in mean)
    assert {t.dtype for t in found.state.values()} == {dtype}


@pytest.mark.parametrize("name", ["mlp", "vit"])
def test_relabelled_copies_become_one_network(name):
    one_of = READY[name].small().double()
    spec, one = one_of.spec, dict(one_of.state_dict())
    copies = {key: t.expand(3, *t.shape) for key, t in one.items()}
    planted = Permutation.random(spec, spec.sizes(one), torch.Generator().manual_seed(0), 3)
    found = merge_cycle(spec, apply(planted, copies))
    moved = apply(found.element, apply(planted, copies))
    assert all(close(moved[k][1:], moved[k][:1], torch.float64) for k in spec.compared)
    assert all(found.state[key].dtype == one[key].dtype for key in one)


@pytest.mark.parametrize("seed", range(2))
def test_restarts_find_the_best_of_tiny_networks(seed):
    widths = (2, 3, 3, 2)
    spec, states = network(widths), draw(network(widths), widths, seed, models=3)
    every = group_elements(spec, spec.sizes(states))
    flat = [
        torch.cat([t.flatten(1)[:, : t[0].numel()] for t in moved.values()], 1)
        for moved in (
            apply(every, {n: t[k].expand(every.models, *t[k].shape) for n, t in states.items()})
            for k in range(3)
        )
    ]
    fixed = {n: t for n, t in states.items() if n not in spec.compared}
    const = pairwise_fixed(fixed)
    first = flat[0][0]  # the universe may be any order: network 0 keeps its own
    sums = (flat[1] @ first)[:, None] + (flat[2] @ first)[None] + flat[1] @ flat[2].T
    best = float(sums.max()) - const
    found = merge_cycle(spec, states, options=CycleOptions(restarts=12))
    assert found.objective.item() == pytest.approx(best, rel=1e-9)


def test_a_climb_cut_short_warns():
    states = draw(SPEC, WIDTHS, 0, models=3)
    assert merge_cycle(SPEC, states, options=CycleOptions(max_steps=500)).settled
    short = CycleOptions(max_steps=1, rtol=1e-12)
    with pytest.warns(ConvergenceWarning, match=r"stopped at options.max_steps=1 before"):
        found = merge_cycle(SPEC, states, options=short)
    assert not found.settled and found.converged and len(found.history) == 2


def pairwise_fixed(fixed):
    flat = torch.cat([t.flatten(1) for t in fixed.values()], 1)
    gram = flat @ flat.T
    return float((gram.sum() - gram.trace()) / 2)


def test_line_is_the_polynomial_it_says():
    states = draw(SPEC, WIDTHS, 3, models=3)
    work = _Relaxed(SPEC, states)
    now, goal = (work.start(0, k).matrices() for k in (0, 1))
    step = {group: goal[group] - now[group] for group in now}
    line = work.line(now, step)
    assert len(line) == 5
    for t in (0.0, 0.3, 0.8, 1.0):
        there = {group: now[group] + t * step[group] for group in now}
        honest = float(work.value(work.moved(there)))
        assert sum(c * t**k for k, c in enumerate(line)) == pytest.approx(honest, rel=1e-10)


def test_gradient_agrees_with_finite_differences():
    work = _Relaxed(SPEC, draw(SPEC, WIDTHS, 4, models=2))
    now = work.start(0, 1).matrices()
    _, slope = work.gradient(now)
    for group in now:
        bumped = {g: m.clone() for g, m in now.items()}
        bumped[group][1, 2, 0] += 1e-6
        rise = float(work.value(work.moved(bumped)) - work.value(work.moved(now)))
        assert rise / 1e-6 == pytest.approx(float(slope[group][1, 2, 0]), rel=1e-4, abs=1e-4)


def test_best_length():
    assert best_length([1.0, 2.0]) == 1.0
    assert best_length([1.0, -2.0]) == 0.0
    assert best_length([0.0, 1.0, -1.0]) == pytest.approx(0.5)
    assert best_length([0.0, 0.0, 1.0]) == 1.0
    assert best_length([0.0, 0.0]) == 1.0  # flat: the whole step, which ends at a permutation


def test_at_least_as_high_as_by_turns_where_both_start_alike():
    """Not a law but the reason to have it: the mean over draws is higher than that of merging."""
    gains = []
    for seed in range(3):
        states = draw(SPEC, WIDTHS, seed, models=4)
        turns = pairwise(SPEC, apply(merge_many(SPEC, states).element, states))
        gains.append(float(merge_cycle(SPEC, states).objective) - turns)
    assert sum(gains) > 0


@pytest.mark.bad_input
def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="two or more"):
        merge_cycle(SPEC, draw(SPEC, WIDTHS, 0))
    with pytest.raises(InputError, match="max_steps=0"):
        merge_cycle(SPEC, draw(SPEC, WIDTHS, 0, models=2), options=CycleOptions(max_steps=0))
    with pytest.warns(UserWarning, match="max_rounds=1"):
        options = CycleOptions(turns=ManyOptions(max_rounds=1), max_steps=1)
        found = merge_cycle(SPEC, draw(SPEC, WIDTHS, 0, models=3), options=options)
    assert not found.converged
