"""Activation matching of every kind of network, with its own capture and read off a plain one."""

import pytest
import torch
from torch import nn

from onebasin.errors import InputError
from onebasin.matching import ActivationOptions, activation_match
from onebasin.matching.capture import Tapped, activations
from onebasin.networks import READY
from onebasin.symmetry import Permutation, Spec, apply
from onebasin.symmetry.taps import Tap

NAMES = ["mlp", "cnn", "tinyten", "resnet20", "resnet50", "googlenet", "vit"]
PLAIN = Spec(
    {
        "0.weight": ("a", None, None, None),
        "0.bias": ("a",),
        "3.weight": ("b", "a", None, None),
        "3.bias": ("b",),
        "6.weight": (None, "b"),
        "6.bias": (None,),
    },
    taps={"a": Tap("1", 1), "b": Tap("5", 1, "input", entry="b")},
)


def plain(seed=0):
    torch.manual_seed(seed)
    parts = [nn.Conv2d(2, 6, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 5, 2), nn.ReLU()]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(5, 3)).double().eval()


def images(count, shape, seed=0):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("objective", ["least_squares", "correlation"])
@pytest.mark.parametrize("name", NAMES)
def test_planted_permutations_are_found(name, objective):
    network = READY[name].small().double().eval()
    spec, state = network.spec, dict(network.state_dict())
    planted = Permutation.random(spec, spec.sizes(state), torch.Generator().manual_seed(0))
    x, options = images(24, READY[name].small_sample), ActivationOptions(objective=objective)
    other = apply(planted.inverse(), state)
    found = activation_match(spec, state, other, network=network, data=x, options=options)
    moved = apply(found.element, other)
    there = network(x)
    assert torch.allclose(torch.func.functional_call(network, moved, (x,)), there, atol=1e-9)
    mine, theirs = (activations(network, spec, s, x, "post") for s in (state, moved))
    for group in spec.groups:  # units that are never active may be exchanged at will
        assert torch.allclose(mine[group], theirs[group], atol=1e-9), group


def test_a_plain_module_is_read_at_its_taps():
    network, x = plain(), images(7, (2, 6, 6))
    seen = activations(network, PLAIN, dict(network.state_dict()), x, "post")
    hidden = network[:2](x)
    assert torch.equal(seen["a"], hidden.movedim(1, -1).reshape(-1, 6))
    assert seen["a"].shape == (7 * 16, 6) and seen["b"].shape == (7, 5)
    stack = {name: torch.stack([t, 2 * t]) for name, t in network.state_dict().items()}
    both = activations(network, PLAIN, stack, x, "post")
    assert both["a"].shape == (2, 7 * 16, 6)
    assert torch.allclose(both["a"][0], seen["a"]) and not network[1]._forward_hooks


def test_a_plain_module_is_matched_at_its_taps():
    network, x = plain(), images(40, (2, 6, 6))
    state = dict(network.state_dict())
    planted = Permutation.random(PLAIN, PLAIN.sizes(state), torch.Generator().manual_seed(3))
    other = apply(planted.inverse(), state)
    found = activation_match(PLAIN, state, other, network=network, data=x)
    assert all(torch.equal(found.element.perms[g], planted.perms[g]) for g in PLAIN.groups)


@pytest.mark.parametrize("models", [None, 3])
@pytest.mark.parametrize("name", ["resnet20", "vit"])
def test_the_batch_of_images_does_not_matter(name, models):
    network, other = (READY[name].small().double().eval() for _ in "ab")
    other.redraw(torch.Generator().manual_seed(5))
    pair = [dict(one.state_dict()) for one in (network, other)]
    if models:
        pair = [{n: torch.stack([t] * models) for n, t in state.items()} for state in pair]
    x = images(5, READY[name].small_sample)
    found = [
        activation_match(
            network.spec, *pair, network=network, data=x, options=ActivationOptions(batch=batch)
        )
        for batch in (2, 5)
    ]
    assert torch.allclose(found[0].objective, found[1].objective, rtol=1e-9)


def test_what_cannot_be_read_is_refused():
    network, x = plain(), images(4, (2, 6, 6))
    state = dict(network.state_dict())
    untapped = Spec(PLAIN.axes, taps={"a": Tap("1", 1)})
    with pytest.raises(InputError, match=r"no place where group 'b'.*match weights"):
        Tapped(network, untapped)
    with pytest.raises(InputError, match=r"'pre'.*taps of its spec"):
        activations(network, PLAIN, state, x, "pre")
    twice = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 2)).eval()
    twice[3] = nn.Sequential(twice[1], nn.Linear(4, 2))
    spec = Spec(
        {"0.weight": ("a", None), "2.weight": ("b", "a")}, taps={g: Tap("1", 1) for g in "ab"}
    )
    with pytest.raises(InputError, match=r"ran 2 times.*runs once"):
        activations(twice, spec, dict(twice.state_dict()), torch.zeros(2, 3), "post")


def test_training_mode_is_refused():
    network = READY["resnet50"].small()
    with pytest.raises(InputError, match=r"BatchNorm2d.*training mode.*network.eval\(\)"):
        activations(network, network.spec, dict(network.state_dict()), torch.zeros(1), "post")
    dropping = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    with pytest.raises(InputError, match="Dropout"):
        activations(dropping, Spec({}), dict(dropping.state_dict()), torch.zeros(1, 2), "post")
