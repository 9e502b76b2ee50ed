"""Random networks by number: cover what they promise, and repeat."""

from __future__ import annotations

import torch

from onebasin.networks import initialise, trials
from onebasin.networks.mlp import Mlp
from onebasin.symmetry.verify import relative_change


def test_networks_vary_in_depth_width_and_dtype_and_repeat():
    seen = [trials.random_network(case) for case in range(24)]
    assert {len(network.widths) for network, _, _ in seen} == {3, 4, 5, 6}
    assert {inputs.dtype for _, _, inputs in seen} == {torch.float32, torch.float64}
    again = trials.random_network(5)
    assert all(torch.equal(again[1][name], tensor) for name, tensor in seen[5][1].items())
    for network, state, inputs in seen:
        assert network.run(state, inputs).shape == (200, network.widths[-1])


def test_flipped_units_change_relu_and_keep_tanh():
    network, state, inputs = trials.random_network(7)
    flipped = trials.flip_first_units(network.spec, state)
    before = network.run(state, inputs)
    assert relative_change(network.run(flipped, inputs), before) > 1e-3
    odd = Mlp(network.widths, "tanh").double()
    change = relative_change(odd.run(flipped, inputs), odd.run(state, inputs))
    assert change < 1e-12


def test_spread_of_scales_is_the_standard_deviation_of_their_logarithm():
    network = Mlp((3, 400, 2))
    states = initialise(network, range(5))
    drawn = trials.spread_scales(network.spec, states, 0.5).scales["hidden.0"]
    assert drawn.shape == (5, 400) and abs(float(drawn.log().std()) - 0.5) < 0.02
    assert (trials.spread_scales(network.spec, states, 0.0).scales["hidden.0"] == 1).all()
