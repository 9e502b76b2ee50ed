"""Every ready network: its symmetry by hand count, by its function, by what matching recovers."""

from __future__ import annotations

import pytest
import torch

from onebasin.errors import InputError
from onebasin.matching import weight_match
from onebasin.networks import (
    READY,
    Batches,
    ResNet,
    TrainOptions,
    Vgg,
    call,
    initialise,
    stack,
    train,
    unstack,
)
from onebasin.networks.parts import ChannelNorm, normalisation
from onebasin.seeds import stream
from onebasin.symmetry import Permutation, apply

#: Number of free groups of every architecture, counted by hand, as a sum with its reasons.
HAND_COUNT = {
    "mlp": {"hidden layers of 784-512-512-512-10": 3},
    "siren": {"hidden layers": 4},
    "cnn": {"convolutions; the dense layer behind them is the output": 7},
    "tinyten": {"convolutions; each shares its channels with its normalisation": 8},
    "tinyten-layer": {"convolutions; each shares its channels with its normalisation": 8},
    "vgg11": {"convolutions; the head is a single dense layer": 8},
    "vgg16": {"convolutions": 13, "hidden dense layers": 2},
    "vgg16-batch": {"convolutions": 13, "hidden dense layers": 2},
    "vgg16-large": {"convolutions, the last with blocks of columns": 13, "hidden dense": 2},
    "resnet20": {"streams of three stages, the stem on the first": 3, "inside nine blocks": 9},
    "resnet32": {"streams of three stages, the stem on the first": 3, "inside 15 blocks": 15},
    "resnet50": {"stem": 1, "streams of four stages": 4, "two layers inside 16 bottlenecks": 32},
    "googlenet": {"stem": 1, "six convolutions in each of nine blocks, no sum ties any": 54},
    "vit": {"stream": 1, "queries with keys, two layers": 2, "values, two": 2, "perceptrons": 2},
}
#: Weights and biases, in millions, as the papers give them or as follows from their tables.
MILLIONS = {"tinyten": 0.09, "resnet32": 0.47, "vgg11": 9.2, "vgg16": 15.3, "resnet50": 25.557}


@pytest.fixture(params=READY)
def ready(request):
    return request.param


def _network(name: str, seed: int = 0):
    """A narrow twin in float64 whose normalisation layers are no identity."""
    entry = READY[name]
    network = entry.small().double().eval()
    generator = stream("ready", seed)
    with torch.no_grad():
        for tensor_name, tensor in network.state_dict().items():
            if tensor.ndim == 1:
                noise = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
                tensor.add_(noise if tensor_name.endswith("running_var") else 0.2 * noise)
    inputs = torch.randn(3, *entry.small_sample, generator=generator, dtype=torch.float64)
    return network, dict(network.state_dict()), inputs


def _with(network, state):
    return lambda *args, **options: torch.func.functional_call(network, state, args, options)


def test_the_hand_count_covers_every_ready_network():
    assert set(HAND_COUNT) == set(READY)


def test_as_many_groups_as_counted_by_hand(ready):
    network, state, _ = _network(ready)
    network.spec.check(state)
    assert set(network.spec.axes) == set(state), "every tensor stands in the spec"
    assert len(network.spec.groups) == sum(HAND_COUNT[ready].values())


@pytest.mark.parametrize("name", MILLIONS)
def test_the_size_is_the_papers(name):
    with torch.device("meta"):
        count = sum(tensor.numel() for tensor in READY[name].make().parameters())
    digits = len(str(MILLIONS[name]).split(".")[1])
    assert round(count / 1e6, digits) == MILLIONS[name]


def test_a_random_element_keeps_the_function_and_moves_the_weights(ready):
    network, state, inputs = _network(ready)
    spec = network.spec
    element = Permutation.random(spec, spec.sizes(state), stream("element"))
    moved = apply(element, state)
    before, after = network(inputs), _with(network, moved)(inputs)
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-10)
    for group, perm in element.perms.items():
        name, axis = spec.occurrences(group)[0]
        if not torch.equal(perm, torch.arange(len(perm))):
            assert not torch.equal(moved[name], state[name]), (group, name, axis)


@pytest.mark.parametrize("at", ["pre", "post"])
def test_every_group_is_captured_and_its_activations_move_with_it(ready, at):
    network, state, inputs = _network(ready)
    spec, sizes = network.spec, network.spec.sizes(state)
    output, seen = network(inputs, capture=at)
    torch.testing.assert_close(output, network(inputs))
    assert set(seen) == set(spec.groups)
    element = Permutation.random(spec, sizes, stream("element"))
    _, there = _with(network, apply(element, state))(inputs, capture=at)
    for group, perm in element.perms.items():
        assert seen[group].shape[-1] == sizes[group]
        torch.testing.assert_close(there[group], seen[group][:, perm], rtol=1e-8, atol=1e-9)


def test_weight_matching_recovers_planted_permutations_of_a_stack(ready):
    network = READY[ready].small().double()
    spec = network.spec
    other = initialise(network, [4, 5])
    element = Permutation.random(spec, spec.sizes(other), stream("plant"), 2)
    found = weight_match(spec, apply(element, other), other)
    assert found.converged.all()
    moved, planted = apply(found.element, other), apply(element, other)
    for name, tensor in planted.items():
        assert torch.equal(moved[name], tensor), name


@pytest.mark.parametrize("name", ["cnn", "vgg16-large", "resnet20", "vit"])
def test_pairs_are_matched_together_as_one_by_one(name):
    network = READY[name].small().double()
    ref, other = initialise(network, [1, 2]), initialise(network, [3, 4])
    together = weight_match(network.spec, ref, other, seed=7)
    for k, (one, two) in enumerate(zip(unstack(ref), unstack(other), strict=True)):
        alone = weight_match(network.spec, one, two, seed=7)
        torch.testing.assert_close(alone.objective, together.objective[k], rtol=1e-12, atol=0)


def test_a_population_runs_as_its_members(ready):
    network, state, inputs = _network(ready)
    states = stack([state, {name: tensor + 0 for name, tensor in _network(ready, 1)[1].items()}])
    outputs, seen = call(network, states, inputs, capture="post")
    for k, member in enumerate(unstack(states)):
        alone, mine = _with(network, member)(inputs, capture="post")
        torch.testing.assert_close(outputs[k], alone)
        torch.testing.assert_close({g: t[k] for g, t in seen.items()}, mine)
    only = call(network, {name: tensor[:1] for name, tensor in states.items()}, inputs)
    torch.testing.assert_close(only, outputs[:1])


def test_draws_come_from_their_stream_alone(ready):
    network = READY[ready].small()
    torch.manual_seed(0)
    mark = torch.random.get_rng_state()
    first, again = initialise(network, [1, 2]), initialise(network, [1, 3])
    assert torch.equal(mark, torch.random.get_rng_state())
    names = [name for name, tensor in first.items() if tensor.ndim > 2]
    for name in names:
        assert torch.equal(first[name][0], again[name][0])
        assert not torch.equal(first[name][1], again[name][1])


@pytest.mark.parametrize("name", ["resnet32", "vgg16-batch"])
def test_batch_statistics_of_a_population_are_updated_member_by_member(name):
    network = READY[name].small().train()
    states = initialise(network, [0, 1])
    shape = READY[name].small_sample
    x = torch.randn(4, *shape, generator=stream("x"))
    members = unstack(states)
    call(network, states, x)
    for k, member in enumerate(members):
        network.load_state_dict(member)
        network(x)
        for tensor_name, tensor in network.state_dict().items():
            torch.testing.assert_close(states[tensor_name][k], tensor, rtol=1e-4, atol=1e-5)


def test_training_a_population_with_batch_statistics_equals_training_its_members():
    network = READY["resnet32"].small().double().train()
    states = initialise(network, [0, 1])
    shape = READY["resnet32"].small_sample
    x = torch.randn(2, 8, *shape, generator=stream("x"), dtype=torch.float64)
    y = torch.randint(10, (2, 8), generator=stream("y"))
    loss, options = torch.nn.functional.cross_entropy, TrainOptions(steps=3, lr=1e-2)
    together = train(network, states, Batches(x, y, batch=4, seeds=[(0,), (1,)]), loss, options)
    for k in range(2):
        one = {name: tensor[k : k + 1] for name, tensor in states.items()}
        batches = Batches(x[k : k + 1], y[k : k + 1], batch=4, seeds=[(k,)])
        alone = train(network, one, batches, loss, options)
        torch.testing.assert_close(alone.loss[:, 0], together.loss[:, k])
        for name, tensor in alone.states.items():
            torch.testing.assert_close(tensor[0], together.states[name][k], rtol=1e-6, atol=1e-8)
    assert (together.states["stem_norm.num_batches_tracked"] == 3).all()
    assert (states["stem_norm.num_batches_tracked"] == 0).all(), "the start is left alone"


def test_channel_norm_normalises_every_pixel_by_itself():
    x = torch.randn(2, 6, 3, 4, generator=stream("x"), dtype=torch.float64) * 3 + 1
    y = ChannelNorm(6, eps=0.0).double()(x)
    assert y.mean(1).abs().max() < 1e-12
    torch.testing.assert_close(y.var(1, correction=0), torch.ones(2, 3, 4, dtype=torch.float64))
    group = torch.nn.GroupNorm(1, 6, eps=0.0).double()(x)
    assert group.mean(1).abs().max() > 0.1, "a group norm takes all pixels together"
    direct = torch.nn.functional.layer_norm(x.permute(0, 2, 3, 1), (6,), eps=0.0)
    torch.testing.assert_close(y, direct.permute(0, 3, 1, 2))


@pytest.mark.parametrize(
    "make",
    [
        lambda: normalisation("spectral", 3),
        lambda: READY["cnn"].make(side=4),
        lambda: READY["cnn"].make(()),
        lambda: READY["tinyten"].make(0.01),
        lambda: Vgg(12),
        lambda: READY["vgg16"].make(side=28),
        lambda: ResNet(20, 0.01),
        lambda: ResNet(shortcut=2),
        lambda: READY["resnet50"].make(0),
        lambda: READY["googlenet"].make(0.01),
        lambda: READY["vit"].make(64, heads=3),
    ],
)
@pytest.mark.bad_input
def test_impossible_networks_are_refused(make):
    with pytest.raises(InputError):
        make()


@pytest.mark.bad_input
def test_an_unknown_place_of_capture_is_refused():
    network = READY["cnn"].small()
    with pytest.raises(InputError, match="capture"):
        network(torch.zeros(1, 3, 16, 16), capture="middle")
