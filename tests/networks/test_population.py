"""A population equals its members: drawn, run, trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from onebasin.errors import InputError
from onebasin.networks import (
    READY,
    Batches,
    Mlp,
    Siren,
    TrainOptions,
    call,
    initialise,
    stack,
    train,
    unstack,
)
from onebasin.networks.inputs import per_model
from onebasin.networks.siren import shared_initialisation
from onebasin.seeds import stream

NETWORKS = {
    "siren": lambda: Siren(8, 2),
    "one hidden unit": lambda: Siren(1, 1, inputs=2, outputs=2),
    "mlp": lambda: Mlp((4, 7, 5, 3)),
    "tanh": lambda: Mlp((2, 3, 1), "tanh"),
    "foreign": lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)),
}


def _data(network, models, samples=24, dtype=torch.float32):
    fan = next(iter(network.parameters())).shape[1]
    x = torch.randn(models, samples, fan, generator=stream("x"), dtype=dtype)
    outputs = list(network.parameters())[-1].shape[0]
    return x, torch.randn(models, samples, outputs, generator=stream("y"), dtype=dtype)


def _mse(output, target):
    return (output - target).square().mean()


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_training_a_population_equals_training_its_members(kind, dtype):
    network = NETWORKS[kind]().to(dtype)
    states = initialise(network, [3, 1, 2])
    x, y = _data(network, 3, dtype=dtype)
    seeds = [(7,), (8,), (9,)]
    options = TrainOptions(steps=9, lr=1e-2)
    together = train(network, states, Batches(x, y, batch=8, seeds=seeds), _mse, options)
    tolerance = 2e-4 if dtype == torch.float32 else 1e-10
    for k, member in enumerate(unstack(states)):
        one = slice(k, k + 1)
        data = Batches(x[one], y[one], batch=8, seeds=seeds[one])
        alone = train(network, stack([member]), data, _mse, options)
        torch.testing.assert_close(alone.loss[:, 0], together.loss[:, k], rtol=0, atol=tolerance)
        for name, tensor in alone.states.items():
            torch.testing.assert_close(tensor[0], together.states[name][k], rtol=0, atol=tolerance)


def test_training_equals_a_plain_loop_over_a_module():
    network = Siren(6, 2).double()
    states = initialise(network, [0])
    x, y = _data(network, 1, dtype=torch.float64)
    batches = Batches(x, y, batch=8, seeds=[(4,)])
    ours = train(network, states, batches, _mse, TrainOptions(steps=7, lr=1e-3))
    network.load_state_dict(unstack(states)[0])
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    for step in range(7):
        inputs, targets = batches(step, slice(0, 1))
        adam.zero_grad()
        _mse(network(inputs[0]), targets[0]).backward()
        adam.step()
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, ours.states[name][0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 5, 16, 1000])
def test_pieces_and_groups_change_rounding_only(rows):
    network = Siren(5, 2).double()
    states = initialise(network, range(3))
    x, y = _data(network, 3, dtype=torch.float64)
    batches = Batches(x, y, batch=12, seeds=[(0,), (1,), (2,)])
    whole = train(network, states, batches, _mse, TrainOptions(steps=5))
    parts = train(network, states, batches, _mse, TrainOptions(steps=5, rows=rows))
    torch.testing.assert_close(whole.loss, parts.loss, rtol=0, atol=1e-12)
    for name, tensor in whole.states.items():
        torch.testing.assert_close(tensor, parts.states[name], rtol=0, atol=1e-12)


def test_a_loss_may_say_what_it_is_the_mean_of():
    def spelled(output, target):
        return _mse(output, target)

    spelled.elementwise = lambda output, target: (output - target).square()
    network = Mlp((3, 4, 2)).double()
    states = initialise(network, [0, 1])
    x, y = _data(network, 2, dtype=torch.float64)
    sample = Batches(x, y, batch=8, seeds=[(0,), (1,)])
    plain = train(network, states, sample, _mse, TrainOptions(steps=4))
    quick = train(network, states, sample, spelled, TrainOptions(steps=4))
    torch.testing.assert_close(plain.loss, quick.loss, rtol=0, atol=1e-12)


def test_training_leaves_its_start_alone_and_lowers_the_loss():
    network = Mlp((3, 16, 1))
    states = initialise(network, [0, 1])
    before = {name: tensor.clone() for name, tensor in states.items()}
    x, y = _data(network, 2)
    sample = Batches(x, y, batch=24, seeds=[(0,), (1,)])
    training = train(network, states, sample, _mse, TrainOptions(steps=60, lr=1e-2))
    assert all(torch.equal(states[name], before[name]) for name in states)
    assert (training.loss[-1] < 0.8 * training.loss[0]).all()


def test_another_optimiser_and_a_schedule_take_part():
    network = Mlp((3, 4, 1))
    states = initialise(network, [0])
    x, y = _data(network, 1)
    sample = Batches(x, y, batch=24, seeds=[(0,)])

    def sgd(tensors):
        return torch.optim.SGD(tensors, lr=0.1)

    frozen = TrainOptions(steps=5, optimiser=sgd, lr_at=lambda step: 0.0)
    still = train(network, states, sample, _mse, frozen)
    moved = train(network, states, sample, _mse, TrainOptions(steps=5, optimiser=sgd))
    assert all(torch.equal(still.states[name], states[name]) for name in states)
    assert not all(torch.equal(moved.states[name], states[name]) for name in states)


def test_a_loss_that_is_not_finite_is_an_error_with_its_step():
    network = Mlp((3, 4, 1))
    x, y = _data(network, 1)
    sample = Batches(x * float("inf"), y, batch=24, seeds=[(0,)])
    with pytest.raises(InputError, match="step 0"):
        train(network, initialise(network, [0]), sample, _mse, TrainOptions(steps=2))


@pytest.mark.parametrize("kind", NETWORKS)
def test_call_equals_the_module(kind):
    network = NETWORKS[kind]()
    states = initialise(network, [0, 5])
    x, _ = _data(network, 2)
    for k, member in enumerate(unstack(states)):
        network.load_state_dict(member)
        torch.testing.assert_close(call(network, states, x)[k], network(x[k]))
        torch.testing.assert_close(call(network, states, x[0])[k], network(x[0]))
        torch.testing.assert_close(call(network, member, x[0]), network(x[0]))


IMAGES = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(3 * 4, 2))


@pytest.mark.parametrize("kind", ["siren", "foreign", "images", "cnn"])
@pytest.mark.parametrize("samples", [1, 3, 4])
def test_shared_inputs_are_told_from_own_ones_whatever_their_number(kind, samples):
    network = {"images": lambda: IMAGES, "cnn": READY["cnn"].small} | NETWORKS
    network = network[kind]().eval()
    one = {"images": (2, 4, 4), "cnn": READY["cnn"].small_sample}.get(kind, (3,))
    states = initialise(network, [0, 5, 7])  # as many networks as samples, or one more or fewer
    shared = torch.randn(samples, *one, generator=stream("shared"))
    own = torch.randn(3, samples, *one, generator=stream("own"))
    assert not per_model(network, shared, 3) and per_model(network, own, 3)
    for k, member in enumerate(unstack(states)):
        torch.testing.assert_close(call(network, states, shared)[k], call(network, member, shared))
        torch.testing.assert_close(call(network, states, own)[k], call(network, member, own[k]))


@pytest.mark.bad_input
def test_inputs_of_another_number_of_networks_are_refused():
    states = initialise(IMAGES, [0, 1])
    with pytest.raises(InputError, match=r"first must count the 2 networks; .* input_dims"):
        call(IMAGES, states, torch.zeros(3, 5, 2, 4, 4))
    sequences = nn.Sequential(nn.Linear(3, 2))
    sequences.input_dims = 3  # [samples length fan]
    found = call(sequences, initialise(sequences, [0, 1]), torch.zeros(2, 5, 3))
    assert found.shape == (2, 2, 5, 2)
    decoder = nn.Sequential(nn.Linear(3, 16), nn.Unflatten(-1, (1, 4, 4)), nn.Conv2d(1, 2, 3))
    found = call(decoder, initialise(decoder, [0, 1]), torch.zeros(2, 5, 3))
    assert found.shape == (2, 5, 2, 2, 2)
    states, x = initialise(NETWORKS["foreign"](), [0, 1]), torch.zeros(2, 5, 3)
    assert call(NETWORKS["foreign"](), states, x, own=False).shape == (2, 2, 5, 2)


@pytest.mark.bad_input
@pytest.mark.parametrize("network", [Siren(6, 2), Mlp((3, 6, 6, 1))])
def test_captured_activations_are_what_the_layers_make(network):
    x = torch.randn(9, 3, generator=stream("x"))
    output, pre = network(x, capture="pre")
    again, post = network(x, capture="post")
    assert torch.equal(output, again) and list(pre) == list(post) == ["hidden.0", "hidden.1"]
    first, last = network.layers[0], network.layers[-1]
    torch.testing.assert_close(pre["hidden.0"], first(x), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(last(post["hidden.1"]), output)
    torch.testing.assert_close(network.activation(network.gain * pre["hidden.1"]), post["hidden.1"])
    with pytest.raises(InputError, match="capture"):
        network(x, capture="middle")


def test_stack_and_unstack_are_inverse_and_refuse_mixtures():
    states = [Siren(4, 1, generator=stream("a", k)).state_dict() for k in range(3)]
    for state, back in zip(states, unstack(stack(states)), strict=True):
        assert all(torch.equal(state[name], back[name]) for name in state)
    with pytest.raises(InputError):
        stack([])
    with pytest.raises(InputError):
        stack([states[0], Siren(5, 1).state_dict()])


def test_draws_follow_their_stream_and_not_the_global_seed():
    network = Siren(16)
    torch.manual_seed(0)
    first = initialise(network, [0, 1])
    torch.manual_seed(1)
    foreign, state = nn.Linear(3, 2), torch.get_rng_state()
    again = initialise(network, [1])
    assert torch.equal(initialise(foreign, [4])["weight"], initialise(foreign, [4])["weight"])
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name][1], again[name][0]) for name in first)
    assert not torch.equal(first["layers.1.weight"][0], first["layers.1.weight"][1])


def test_a_foreign_network_is_drawn_whole_or_not_at_all():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.scale = nn.Linear(2, 2), nn.Parameter(torch.ones(2))

    with pytest.raises(InputError, match=r"Scaled.*'0' has parameters.*redraw\(generator\)"):
        initialise(nn.Sequential(Scaled()), [0])
    with pytest.raises(InputError, match="it has parameters of its own"):
        initialise(Scaled(), [0])
    attention = nn.TransformerEncoderLayer(8, 2, dim_feedforward=8)
    drawn = initialise(attention, [0, 1, 0])
    for name, tensor in drawn.items():
        assert torch.equal(tensor[0], tensor[2])
        fixed = "norm" in name or name in ("self_attn.in_proj_bias", "self_attn.out_proj.bias")
        assert torch.equal(tensor[0], tensor[1]) == fixed, name


def test_a_foreign_network_draws_its_parts_its_own_way():
    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(20, 20)

        def reset_parameters(self):
            nn.init.normal_(self.layer.weight, std=100.0)
            nn.init.zeros_(self.layer.bias)

    drawn = initialise(nn.Sequential(Wide(), nn.Linear(20, 2)), [0, 1])
    assert drawn["0.layer.weight"].std() > 50 and not drawn["0.layer.bias"].any()
    assert 0 < drawn["1.weight"].abs().max() < 1


def test_siren_draw_has_its_distribution():
    network = Siren(256, 4)
    state = shared_initialisation(network)
    bounds = [1 / 3] + [(6 / 256) ** 0.5 / 30] * 4
    for layer, bound in enumerate(bounds):
        weight, bias = state[f"layers.{layer}.weight"], state[f"layers.{layer}.bias"]
        edge = (3 if layer == 0 else 256) ** -0.5
        assert 0.9 * bound < weight.abs().max() <= bound and bias.abs().max() <= edge
        if layer < 4:  # the variance of a uniform draw is a third of its squared bound
            assert abs(weight.var() / (bound**2 / 3) - 1) < 0.2
            assert abs(bias.var() / (edge**2 / 3) - 1) < 0.4


def test_the_shared_initialisation_is_one_per_width():
    network = Siren(32)
    first = shared_initialisation(network)
    network.redraw(stream("other", 3))
    again = shared_initialisation(network)
    assert all(torch.equal(first[name], again[name]) for name in first)
    drawn = initialise(network, [0])
    assert not torch.equal(first["layers.0.weight"], drawn["layers.0.weight"][0])


def test_batches_visit_every_sample_once_per_epoch():
    x = torch.arange(12.0).reshape(1, 12, 1).repeat(2, 1, 1)
    batches = Batches(x, x, batch=4, seeds=[(0,), (1,)])
    everyone = slice(0, 2)
    epochs = [
        torch.cat([batches(step, everyone)[0] for step in range(3 * e, 3 * e + 3)], dim=1)
        for e in range(2)
    ]
    for epoch in epochs:
        assert torch.equal(epoch.sort(dim=1).values, x)
    assert not torch.equal(epochs[0], epochs[1]) and not torch.equal(epochs[0][0], epochs[0][1])
    assert torch.equal(batches(4, slice(1, 2))[0][0], epochs[1][1, 4:8])


@pytest.mark.parametrize("batch", [0, 13])
def test_a_batch_larger_than_the_data_is_refused(batch):
    x = torch.zeros(1, 12, 1)
    with pytest.raises(InputError, match="batch"):
        Batches(x, x, batch=batch, seeds=[(0,)])


@pytest.mark.parametrize(
    "make", [lambda: Siren(0), lambda: Siren(4, 0), lambda: Siren(4, omega=-1.0)]
)
def test_impossible_sirens_are_refused(make):
    with pytest.raises(InputError):
        make()


def test_impossible_mlps_are_refused():
    with pytest.raises(InputError, match="activation"):
        Mlp((2, 2), "swoosh")
    with pytest.raises(InputError, match="widths"):
        Mlp((2,))


@pytest.mark.parametrize("network", [Siren(4, 3), Mlp((2, 3, 4, 1))])
def test_the_spec_fits_the_parameters(network):
    spec = network.spec
    spec.check(network.state_dict())
    assert len(spec.groups) == len(network.layers) - 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_trains_the_same_population():
    network = Siren(32)
    states = initialise(network, [0, 1])
    x, y = _data(network, 2, samples=256)
    seeds, options = [(0,), (1,)], TrainOptions(steps=20)
    here = train(network, states, Batches(x, y, batch=64, seeds=seeds), _mse, options)
    there_states = {name: tensor.cuda() for name, tensor in states.items()}
    data = Batches(x.cuda(), y.cuda(), batch=64, seeds=seeds)
    there = train(network.cuda(), there_states, data, _mse, options)
    torch.testing.assert_close(there.loss.cpu(), here.loss, rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_network_on_a_gpu_gets_the_draws_of_the_cpu():
    for kind in ("siren", "foreign"):
        here = initialise(NETWORKS[kind](), [0, 1])
        there = initialise(NETWORKS[kind]().cuda(), [0, 1])
        assert all(tensor.device.type == "cuda" for tensor in there.values())
        assert all(torch.equal(there[name].cpu(), tensor) for name, tensor in here.items())
