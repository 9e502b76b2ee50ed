"""Min-max as preprocessing: ranges, degenerate tensors, stacks, permutations, dropped shifts."""

from __future__ import annotations

import pytest
import torch
from tests.helpers import draw

from onebasin.errors import InputError
from onebasin.matching import weight_match
from onebasin.matching.preprocess import minmax_paired, minmax_single
from onebasin.symmetry import Permutation, apply, chain

WIDTHS = (3, 7, 7, 2)
SPEC = chain(3)
BOTH = pytest.mark.parametrize("minmax", [minmax_single, minmax_paired])


def pair(models=None):
    return draw(SPEC, WIDTHS, 0, models=models), draw(SPEC, WIDTHS, 1, models=models)


def test_single_fills_the_unit_interval_in_every_tensor():
    for state in minmax_single(SPEC, *pair()):
        assert all(float(t.min()) == 0 and float(t.max()) == 1 for t in state.values())


def test_paired_fills_it_with_both_networks_together():
    ref, other = pair()
    other["layers.1.weight"] = other["layers.1.weight"] * 10
    left, right = minmax_paired(SPEC, ref, other)
    for name in ref:
        both = torch.stack([left[name], right[name]])
        assert float(both.min()) == 0 and float(both.max()) == 1
    narrow = left["layers.1.weight"].max() - left["layers.1.weight"].min()
    assert narrow < 0.5


@BOTH
def test_a_tensor_without_a_range_becomes_zero(minmax):
    ref, other = pair()
    for state in (ref, other):
        state["layers.0.bias"] = torch.full_like(state["layers.0.bias"], 0.7)
    for state in minmax(SPEC, ref, other):
        assert torch.equal(state["layers.0.bias"], torch.zeros(7, dtype=torch.float64))
        assert all(torch.isfinite(tensor).all() for tensor in state.values())


@BOTH
def test_a_stack_is_normalised_pair_by_pair(minmax):
    ref, other = pair(models=3)
    left, right = minmax(SPEC, ref, other)
    for k in range(3):
        alone = minmax(SPEC, *({name: t[k] for name, t in s.items()} for s in (ref, other)))
        for whole, one in zip((left, right), alone, strict=True):
            assert all(torch.allclose(whole[name][k], one[name]) for name in one)


@BOTH
def test_it_commutes_with_permutations(minmax):
    ref, other = pair()
    move = Permutation.random(SPEC, SPEC.sizes(other), torch.Generator().manual_seed(3))
    first = minmax(SPEC, ref, apply(move, other))[1]
    last = apply(move, minmax(SPEC, ref, other)[1])
    assert all(torch.allclose(first[name], last[name]) for name in first)


@BOTH
def test_a_planted_permutation_is_found_through_it(minmax):
    ref, _ = pair()
    move = Permutation.random(SPEC, SPEC.sizes(ref), torch.Generator().manual_seed(4))
    found = weight_match(SPEC, *minmax(SPEC, ref, apply(move, ref))).element
    assert all(torch.equal(found.perms[g], move.inverse().perms[g]) for g in SPEC.groups)


@pytest.mark.parametrize("seed", range(4))
def test_shifts_do_not_matter_to_the_matching(seed):
    ref, other = draw(SPEC, WIDTHS, seed), draw(SPEC, WIDTHS, seed + 50)
    normal = weight_match(SPEC, *minmax_single(SPEC, ref, other)).element
    scaled = [
        {name: tensor / (tensor.max() - tensor.min()) for name, tensor in state.items()}
        for state in (ref, other)
    ]
    plain = weight_match(SPEC, *scaled).element
    assert all(torch.equal(normal.perms[g], plain.perms[g]) for g in SPEC.groups)


def test_networks_that_do_not_fit_are_refused():
    ref, other = pair()
    with pytest.raises(InputError, match="other"):
        minmax_single(SPEC, ref, {**other, "layers.0.bias": torch.zeros(3)})
