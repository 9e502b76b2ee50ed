"""Networks at the stops of a line, their answers, and shares of them."""

from __future__ import annotations

import pytest
import torch

from onebasin.connectivity import answers, interpolate, share_between, stops
from onebasin.errors import InputError
from onebasin.networks import Siren, call, initialise, unstack


def pair():
    network = Siren(8, 2)
    return network, *unstack(initialise(network, [0, 1]))


def test_the_stops_are_the_networks_of_the_line():
    _, ref, other = pair()
    line = stops(ref, other, 5)
    for k, lam in enumerate((0, 0.25, 0.5, 0.75, 1)):
        for name, tensor in interpolate(ref, other, lam).items():
            assert torch.equal(line[name][k], tensor)
    assert len(stops(ref, other, [0.1])["layers.0.bias"]) == 1
    with pytest.raises(InputError, match="lambdas"):
        stops(ref, other, [])


def test_answers_are_those_of_each_network_alone():
    network, ref, other = pair()
    inputs = torch.rand(300, 3, generator=torch.Generator().manual_seed(0))
    line = stops(ref, other, 3)
    found = answers(network, line, inputs)
    assert found.shape == (3, 300, 1) and not found.requires_grad
    middle = call(network, interpolate(ref, other, 0.5), inputs)
    assert torch.allclose(found[1], middle, atol=1e-6)


def test_answers_do_not_depend_on_the_pieces(monkeypatch):
    network, ref, other = pair()
    inputs = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    whole = answers(network, stops(ref, other, 4), inputs)
    monkeypatch.setattr("onebasin.connectivity.predictions._CACHE_ELEMENTS", 56)
    assert torch.allclose(answers(network, stops(ref, other, 4), inputs), whole, atol=1e-6)


def test_shares_count_both_ends_of_the_interval():
    values = torch.tensor([[0.0, 0.4, 0.5, 0.6], [0.1, 0.1, 0.1, 1.0]], dtype=torch.float64)
    assert share_between(values, 0.4, 0.6).tolist() == [0.75, 0.0]
    assert share_between(values, 0.0, 1.0).tolist() == [1.0, 1.0]
    with pytest.raises(InputError, match="low"):
        share_between(values, 0.6, 0.4)
    with pytest.raises(InputError, match="values"):
        share_between(values[:, :0], 0.4, 0.6)
