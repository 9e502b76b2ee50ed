"""The two closed-form networks of Git Re-Basin, in exact arithmetic and by sampling."""

from __future__ import annotations

import doctest
from fractions import Fraction

import pytest
import torch

from onebasin import seeds
from onebasin.matching.exhaustive import group_elements
from onebasin.networks import Mlp, counterexample, pieces
from onebasin.symmetry import apply

LAMBDAS = [Fraction(k, 24) for k in range(25)]


def test_docstring_example():
    assert doctest.testmod(counterexample).failed == 0


def curve(perm) -> list[Fraction]:
    ref, other = counterexample.pair()
    a, b = pieces.layers(ref), pieces.layers(apply(perm, other))
    return [counterexample.wrong(pieces.between(a, b, lam)) for lam in LAMBDAS]


@pytest.mark.parametrize("index", range(4))
def test_every_permutation_has_the_same_barrier(index):
    errors = curve(counterexample.permutations()[index])
    assert errors[0] == errors[-1] == 0
    assert max(errors) == Fraction(1, 4) == errors[12]


def test_exact_error_agrees_with_sampled_error():
    inputs, labels = counterexample.sample(40_000, seeds.stream("counterexample", 1))
    ref, other = counterexample.pair()
    moved = apply(counterexample.permutations()[3], other)
    net = Mlp(counterexample.WIDTHS, "relu").double()
    for lam in (0.0, 0.125, 0.5, 0.875, 1.0):
        state = {name: (1 - lam) * ref[name] + lam * moved[name] for name in ref}
        sampled = ((net.run(state, inputs)[:, 0] >= 0) != labels).double().mean()
        exact = counterexample.wrong(
            pieces.between(pieces.layers(ref), pieces.layers(moved), Fraction(lam))
        )
        assert float(exact) == pytest.approx(sampled.item(), abs=0.01)


def test_a_wrong_network_is_noticed():
    ref, _ = counterexample.pair()
    spoiled = {**ref, "layers.0.bias": torch.tensor([1.0, 0.5], dtype=torch.float64)}
    assert counterexample.wrong(pieces.layers(spoiled)) > 0
    gap = pieces.difference(pieces.layers(ref), pieces.layers(spoiled))
    assert pieces.largest(gap) > 0


@pytest.mark.parametrize(("first", "second", "free"), [(1, 0, 1), (0, 1, 0)])
def test_idle_units_keep_the_function_and_only_the_first_layer_opens_a_path(first, second, free):
    ref, other = (counterexample.widen(state, first, second) for state in counterexample.pair())
    start = pieces.layers(ref)
    assert counterexample.distance(start, pieces.layers(counterexample.pair()[1])) == 0
    elements = group_elements(counterexample.SPEC, counterexample.SPEC.sizes(ref))
    connected = set()
    for k in range(elements.models):
        moved = apply(elements.select(k), other)
        path = [pieces.between(start, pieces.layers(moved), lam) for lam in LAMBDAS[::4]]
        if max(counterexample.wrong(network) for network in path) == 0:
            connected.add(str({name: tensor.tolist() for name, tensor in moved.items()}))
    assert len(connected) == free


def test_scale_search_finds_what_exact_arithmetic_confirms():
    perms = counterexample.permutations()
    unswapped = counterexample.search_scales(perms[0], 20, seeds.stream("scales", 0))
    assert unswapped.min() >= 0.25  # the path must lose sight of the first input
    swapped = counterexample.search_scales(perms[3], 50, seeds.stream("scales", 1))
    assert swapped.shape == (50,) and 0.05 < swapped.min() < 0.25
