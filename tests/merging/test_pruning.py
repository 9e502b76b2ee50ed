"""Pruning by one percentile: counts, ties, both readings, stacks, and permutations."""

from __future__ import annotations

import pytest
import torch
from tests.helpers import draw

from onebasin.errors import InputError
from onebasin.merging.pruning import prune, zero_shares
from onebasin.symmetry import Permutation, apply, chain

WIDTHS = (3, 8, 8, 1)
SPEC = chain(3)


def entries(state):
    return torch.cat([tensor.flatten() for tensor in state.values()])


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.8, 1.0])
def test_the_smallest_are_zeroed_and_the_others_kept(fraction):
    state = draw(SPEC, WIDTHS, 0)
    found = prune(SPEC, state, fraction)
    values, left = entries(state), entries(found.state)
    count = int((left == 0).sum())
    assert abs(count - fraction * len(values)) < 1
    assert torch.equal(left[left != 0], values[left != 0])
    if 0 < count < len(values):
        assert values[left == 0].abs().max() < values[left != 0].abs().min()
    assert float(found.zeroed) == pytest.approx(count / len(values))


def test_one_threshold_serves_all_layers():
    state = draw(SPEC, WIDTHS, 1)
    state["layers.0.weight"] *= 100
    found = prune(SPEC, state, 0.5)
    shares = zero_shares(SPEC, found.state)
    assert shares["layers.0.weight"] == 0 and shares["layers.1.weight"] > 0.5


def test_equal_magnitudes_fall_together():
    state = {name: torch.ones_like(t) for name, t in draw(SPEC, WIDTHS, 0).items()}
    assert float(prune(SPEC, state, 0.1).zeroed) == 1.0


def test_the_signed_percentile_zeroes_fewer():
    state = draw(SPEC, (3, 40, 40, 1), 2)
    assert float(prune(SPEC, state, 0.8, by="signed").zeroed) == pytest.approx(0.6, abs=0.03)
    # Below the median the signed percentile is negative, and no magnitude reaches it.
    assert float(prune(SPEC, state, 0.3, by="signed").zeroed) == 0.0


def test_a_stack_is_pruned_network_by_network():
    stacked = draw(SPEC, WIDTHS, 3, models=3)
    stacked["layers.1.weight"][1] *= 10
    found = prune(SPEC, stacked, 0.7)
    for k in range(3):
        alone = prune(SPEC, {name: tensor[k] for name, tensor in stacked.items()}, 0.7)
        assert float(found.threshold[k]) == float(alone.threshold)
        for name, tensor in alone.state.items():
            assert torch.equal(found.state[name][k], tensor)


def test_permutations_commute_with_pruning():
    state = draw(SPEC, WIDTHS, 4)
    move = Permutation.random(SPEC, SPEC.sizes(state), torch.Generator().manual_seed(0))
    first = prune(SPEC, apply(move, state), 0.6).state
    last = apply(move, prune(SPEC, state, 0.6).state)
    assert all(torch.equal(first[name], last[name]) for name in state)


def test_the_state_itself_is_left_alone_and_bad_input_is_refused():
    state = draw(SPEC, WIDTHS, 5)
    before = entries(state).clone()
    prune(SPEC, state, 0.9)
    assert torch.equal(entries(state), before)
    with pytest.raises(InputError, match="fraction"):
        prune(SPEC, state, 80)
    with pytest.raises(InputError, match="by"):
        prune(SPEC, state, 0.8, by="size")
