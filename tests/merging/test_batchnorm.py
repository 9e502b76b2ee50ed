"""Running statistics of a network between two: none, reset, repair."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from onebasin.errors import InputError
from onebasin.merging.batchnorm import POLICIES, between, layers, measure, reset
from onebasin.networks import READY, Mlp, call, initialise, stack, unstack
from onebasin.seeds import stream


def _pair(name="resnet32", dtype=torch.float64):
    """Two narrow networks whose statistics are those of the data, and the data."""
    network = READY[name].small().to(dtype).eval()
    x = torch.randn(24, *READY[name].small_sample, generator=stream("x"), dtype=dtype)
    states = initialise(network, [0, 1])
    for tensor_name, tensor in states.items():
        if "norm" in tensor_name and tensor_name.endswith(("weight", "bias")):
            tensor += torch.randn(tensor.shape, generator=stream(tensor_name), dtype=dtype) / 3
    return network, unstack(reset(network, states, x, batch=8)), x


def test_reset_gives_what_a_plain_pass_with_cumulative_averages_gives():
    network, (state, _), x = _pair()
    network.load_state_dict(state)
    for module in layers(network).values():
        module.momentum = None
        module.reset_running_stats()
    network.train()
    for part in x.split(8):
        network(part)
    network.eval()
    found = reset(network, state, x, batch=8)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-9, atol=1e-12)


def test_reset_depends_on_the_weights_only_and_leaves_them_and_its_arguments():
    network, (state, _), x = _pair()
    before = {name: tensor.clone() for name, tensor in state.items()}
    spoiled = {n: t * 0 + 7 if "running" in n else t for n, t in state.items()}
    again, back = reset(network, state, x, batch=8), reset(network, spoiled, x, batch=8)
    for name, tensor in state.items():
        assert torch.equal(tensor, before[name])
        torch.testing.assert_close(again[name], tensor, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(back[name], tensor, rtol=1e-9, atol=1e-12)
    assert not network.training


@pytest.mark.parametrize("policy", POLICIES)
def test_a_stack_is_treated_as_its_members(policy):
    network, (ref, other), x = _pair()
    refs, others = stack([ref, other]), stack([other, ref])
    together = between(network, refs, others, 0.3, policy=policy, inputs=x, batch=8)
    for k, (one, two) in enumerate([(ref, other), (other, ref)]):
        alone = between(network, one, two, 0.3, policy=policy, inputs=x, batch=8)
        for name, tensor in alone.items():
            torch.testing.assert_close(together[name][k], tensor, rtol=1e-8, atol=1e-10)
    own = torch.stack([x, x.flip(0)])
    apart = reset(network, refs, own, batch=8)
    swapped = reset(network, other, x.flip(0), batch=8)
    for name, tensor in swapped.items():
        torch.testing.assert_close(apart[name][1], tensor, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_ends_are_never_changed(policy):
    network, (ref, other), x = _pair()
    for lam, end in ((0, ref), (1.0, other)):
        found = between(network, ref, other, lam, policy=policy, inputs=x)
        assert all(torch.equal(found[name], tensor) for name, tensor in end.items())


@pytest.mark.parametrize("name", ["resnet32", "vgg16-batch", "googlenet"])
def test_after_repair_every_layer_gives_out_the_interpolated_statistics(name):
    network, (ref, other), x = _pair(name)
    ends = [measure(network, end, x, batch=24) for end in (ref, other)]
    found = {
        policy: measure(
            network,
            between(network, ref, other, 0.25, policy=policy, inputs=x, batch=24),
            x,
            batch=24,
        )
        for policy in POLICIES
    }
    early = list(ends[0].std)[:8]
    for layer, std in found["repair"].std.items():
        wanted = torch.lerp(ends[0].std[layer], ends[1].std[layer], 0.25)
        mean = torch.lerp(ends[0].mean[layer], ends[1].mean[layer], 0.25)
        # Not exact: the running variance is unbiased, a batch's own is not, and where a layer sees
        # few pixels of few images the two differ; what differs adds up from layer to layer.
        near = {"rtol": 0, "atol": 0.01 if layer in early else 0.12}
        torch.testing.assert_close(std, wanted, **near)
        torch.testing.assert_close(found["repair"].mean[layer], mean, **near)
    first = next(iter(found["none"].std))
    wanted = torch.lerp(ends[0].std[first], ends[1].std[first], 0.25)
    assert (found["none"].std[first] < 0.95 * wanted).any(), "without a policy the signal fades"


def test_without_a_policy_statistics_are_interpolated_as_weights():
    network, (ref, other), _ = _pair()
    found = between(network, ref, other, 0.5, policy="none")
    name = next(iter(layers(network)))
    for part in ("running_mean", "running_var", "weight"):
        middle = (ref[f"{name}.{part}"] + other[f"{name}.{part}"]) / 2
        torch.testing.assert_close(found[f"{name}.{part}"], middle)


def test_a_network_without_batch_normalisation_is_only_interpolated():
    network = Mlp((4, 5, 2)).double()
    x = torch.randn(6, 4, generator=stream("x"), dtype=torch.float64)
    ref, other = unstack(initialise(network, [0, 1]))
    plain = between(network, ref, other, 0.5, policy="none")
    for policy in ("reset", "repair"):
        found = between(network, ref, other, 0.5, policy=policy, inputs=x)
        assert all(torch.equal(found[name], tensor) for name, tensor in plain.items())


def test_dropout_stays_off_while_statistics_are_estimated():
    network = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.5), nn.BatchNorm1d(6)).double()
    x = torch.randn(32, 4, generator=stream("x"), dtype=torch.float64)
    state = network.state_dict()
    found = reset(network, state, x)
    pre = torch.nn.functional.linear(x, state["0.weight"], state["0.bias"])
    torch.testing.assert_close(found["2.running_mean"], pre.mean(0))
    torch.testing.assert_close(found["2.running_var"], pre.var(0))


@pytest.mark.bad_input
def test_what_cannot_be_done_is_refused():
    network, (ref, other), x = _pair()
    with pytest.raises(InputError, match="policy"):
        between(network, ref, other, 0.5, policy="mean", inputs=x)
    with pytest.raises(InputError, match="inputs"):
        between(network, ref, other, 0.5, policy="reset")
    with pytest.raises(InputError, match="two or more"):
        reset(network, ref, x[:1])


def test_populations_of_batch_normalised_networks_run_on_reset_statistics():
    network, states, x = _pair("vgg16-batch")
    outputs = call(network, stack(states), x)
    for k, state in enumerate(states):
        alone = torch.func.functional_call(network, state, (x,))
        torch.testing.assert_close(outputs[k], alone, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("policy", POLICIES)
def test_layers_without_scale_and_shift_take_part(policy):
    network = nn.Sequential(
        *(nn.Linear(4, 6), nn.BatchNorm1d(6, affine=False), nn.ReLU()),
        *(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2)),
    ).double()
    network.eval()
    x = torch.randn(64, 4, generator=stream("x"), dtype=torch.float64)
    states = reset(network, initialise(network, [0, 1]), x, batch=64)
    ref, other = unstack(states)
    middle = between(network, ref, other, 0.5, policy=policy, inputs=x, batch=64)
    found = measure(network, middle, x, batch=64)
    if policy == "none":
        assert (found.std["1"] - 1).abs().max() > 0.02
    else:
        unbiased = (63 / 64) ** 0.5  # the running variance is, that of a batch is not
        torch.testing.assert_close(
            found.std["1"], torch.full_like(found.std["1"], unbiased), rtol=0, atol=1e-3
        )
        torch.testing.assert_close(found.mean["1"], torch.zeros_like(found.mean["1"]))
    if policy == "repair":
        ends = [measure(network, end, x, batch=64) for end in (ref, other)]
        wanted = torch.lerp(ends[0].std["4"], ends[1].std["4"], 0.5)
        torch.testing.assert_close(found.std["4"], wanted, rtol=0, atol=0.03)
