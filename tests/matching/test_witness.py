"""The witnesses themselves, where the answer is known."""

from __future__ import annotations

import itertools

import pytest
import torch

from onebasin import seeds
from onebasin.matching import activation_match, witness
from onebasin.networks import Mlp, initialise, trials
from onebasin.symmetry import Permutation, apply


def test_features_cover_all_sizes_dtypes_and_ties():
    seen = [witness.random_features(case) for case in range(36)]
    assert {both.shape[1] for both in seen[:6]} == {1, 2, 3, 4, 5, 6}
    assert {both.dtype for both in seen} == {torch.float32, torch.float64}
    assert all(torch.equal(both, both.round()) for both in seen[:6])
    assert any((both == 0).all(-1).any() for both in seen[:6])


@pytest.mark.parametrize("case", range(8))
def test_group_values_are_largest_where_the_planted_element_is(case):
    spec, ref, _, element = witness.random_pair(case)
    other = apply(element.inverse(), ref)
    for group in spec.groups:
        inner, squared = witness.group_values(spec, ref, other, group, element)
        assert float(squared.min()) == 0.0 and int(squared.argmin()) == int(inner.argmax())
        assert torch.allclose(squared + 2 * inner, (squared + 2 * inner)[0].expand_as(inner))


def test_activation_matching_in_any_order_is_activation_matching():
    network = Mlp((2, 5, 6, 2)).double()
    ref, other = (
        dict(Mlp(network.widths, generator=seeds.stream("witness", k)).double().state_dict())
        for k in (0, 1)
    )
    data = torch.randn(40, 2, generator=seeds.stream("witness"), dtype=torch.float64)
    want = activation_match(network.spec, ref, other, network=network, data=data).element
    for order in itertools.permutations(network.spec.groups):
        found = witness.activation_match_in_order(network, ref, other, data, order)
        assert all(torch.equal(found.perms[g], want.perms[g]) for g in order)


def test_cosine_of_equal_networks_is_one_and_merging_at_once_reports_each_round():
    network = Mlp((3, 6, 2))
    one = {name: t[:1].double() for name, t in initialise(network, range(1)).items()}
    assert witness.mean_cosine({n: t.expand(4, *t.shape[1:]) for n, t in one.items()}) == (
        pytest.approx(1.0)
    )
    states = {name: t.double() for name, t in initialise(network, range(3)).items()}
    curve = witness.merge_at_once(network.spec, states, 4)
    assert len(curve) == 5 and curve[0] == pytest.approx(witness.mean_cosine(states))


def test_both_orders_recover_without_scales_and_only_one_with_them():
    network = Mlp((6, 24, 24, 3)).double()
    states = {name: t.double() for name, t in initialise(network, range(4)).items()}
    sizes = network.spec.sizes(states)
    planted = Permutation.random(network.spec, sizes, seeds.stream("recover"), 4)
    for spread, all_found in ((0.0, True), (3.0, False)):
        scales = trials.spread_scales(network.spec, states, spread)
        other = apply(scales, apply(planted, states))
        for first, found in ((True, all_found), (False, True)):
            right, distance = witness.recover(
                network.spec, states, other, planted, align_first=first
            )
            assert bool((right == 1).all()) == found
            assert bool((distance < 1e-9).all()) == found
