import pytest
import torch
from torch import nn

from onebasin.errors import InputError
from onebasin.merging.repair import Site, correct, find_sites, measure, repair
from onebasin.networks import Mlp, Siren, call, initialise
from onebasin.symmetry import Permutation, Spec, apply

NETS = [Siren(24, 3), Mlp((3, 24, 24, 24, 2), "relu"), Mlp((3, 24, 24, 24, 2), "tanh")]


def points(samples, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(samples, 3, generator=generator, dtype=torch.float64).to(dtype) - 1


def pair(network, models=3, dtype=torch.float64):
    drawn = initialise(network, list(range(2 * models)))
    halves = [{n: t.to(dtype)[k::2] for n, t in drawn.items()} for k in (0, 1)]
    return halves if models > 1 else [{n: t[0] for n, t in half.items()} for half in halves]


class Foreign(nn.Module):
    """The same network, of which only the protocol is known."""

    def __init__(self, own):
        super().__init__()
        self.own, self.layers, self.spec = own, own.layers, own.spec

    def forward(self, x, capture=None):
        return self.own(x, capture=capture)


class Normed(nn.Module):
    """A convolution with batch norm, then a dense layer."""

    spec = Spec(
        {
            "conv.weight": ("c", None, None, None),
            "norm.weight": ("c",),
            "norm.bias": ("c",),
            "head.weight": (None, "c"),
            "head.bias": (None,),
        }
    )

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 5, 3, bias=False)
        self.norm, self.head = nn.BatchNorm2d(5), nn.Linear(5, 2)
        self.eval()

    def forward(self, x, capture=None):
        pre = self.norm(self.conv(x))
        output = self.head(torch.relu(pre).mean((2, 3)))
        rows = pre.movedim(1, -1).flatten(0, 2)
        return (output, {"c": rows}) if capture == "pre" else output


@pytest.mark.parametrize("network", NETS, ids=str)
def test_statistics_match_the_target_also_on_held_out_data(network):
    ref, other = pair(network)
    lam = torch.tensor([0.25, 0.5, 0.8], dtype=torch.float64)
    seen, held_out = points(4000), points(4000, 1)
    fixed = repair(network, ref, other, seen, lam=lam)
    for x, bound in ((seen, 1e-9), (held_out, 0.1)):
        target = measure(network, ref, x).lerp(measure(network, other, x), lam)
        found = measure(network, fixed, x)
        for group in network.spec.groups:
            scale = target.std[group]
            assert ((found.mean[group] - target.mean[group]).abs() <= bound * scale).all()
            assert ((found.std[group] - scale).abs() <= bound * scale).all()
    plain = {n: (t + other[n]) / 2 for n, t in ref.items()}
    before, after = measure(network, plain, held_out), measure(network, fixed, held_out)
    wanted = measure(network, ref, held_out).lerp(measure(network, other, held_out), lam)
    off = [sum((s.std[g] / wanted.std[g] - 1).abs().mean() for g in s.std) for s in (before, after)]
    assert off[1] < 0.1 * off[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("network", NETS, ids=str)
def test_the_ends_stay_what_they_are(network, dtype):
    ref, other = pair(network, dtype=dtype)
    x = points(200, dtype=dtype)
    lam = torch.tensor([0.0, 1.0, 0.5], dtype=dtype)
    fixed = repair(network, ref, other, x, lam=lam)
    for name, tensor in fixed.items():
        assert torch.equal(tensor[0], ref[name][0]) and torch.equal(tensor[1], other[name][1])
        assert tensor.dtype == dtype
    if network is not NETS[1]:  # a dead unit of ReLU passes nothing on, and may
        assert not torch.equal(fixed["layers.1.weight"][2], ref["layers.1.weight"][2])


@pytest.mark.parametrize("network", NETS, ids=str)
def test_nothing_changes_where_statistics_agree_already(network):
    ref, _ = pair(network)
    x = points(300)
    fixed = correct(network, ref, measure(network, ref, x), x)
    held_out = points(50, 1)
    difference = call(network, fixed, held_out) - call(network, ref, held_out)
    assert difference.abs().max() < 1e-10


def test_it_commutes_with_relabelling_the_units():
    network = NETS[0]
    ref, other = pair(network)
    spec = network.spec
    generator = torch.Generator().manual_seed(3)
    moved = Permutation.random(spec, spec.sizes(ref), generator, 3)
    x = points(300)
    there = repair(network, apply(moved, ref), apply(moved, other), x)
    here = apply(moved, repair(network, ref, other, x))
    assert all(torch.allclose(there[name], here[name], atol=1e-9) for name in here)


@pytest.mark.parametrize("models", [1, 3])
def test_the_protocol_alone_gives_what_the_walk_gives(models, monkeypatch):
    monkeypatch.setattr("onebasin.merging.repair._ELEMENTS", 30_000)  # one network at a time
    own = Siren(24, 3).double()
    foreign = Foreign(own)
    ref, other = pair(own, models)
    x = points(500)
    walked = repair(own, ref, other, x, lam=0.4)
    named = [{f"own.{n}": t for n, t in s.items()} for s in (ref, other)]
    sites = {
        f"hidden.{k}": Site(f"own.layers.{k}.weight", f"own.layers.{k}.bias") for k in range(3)
    }
    asked = repair(foreign, *named, x, lam=0.4, sites=sites)
    assert all(torch.allclose(asked[f"own.{n}"], t, atol=1e-10) for n, t in walked.items())


def test_batches_and_own_data_give_the_same_moments():
    network = NETS[0]
    ref, _ = pair(network)
    x = points(1000)
    whole, parts = (measure(network, ref, x, batch=size) for size in (1000, 77))
    own = measure(network, ref, x.expand(3, -1, -1), batch=100)
    for group in whole.mean:
        for found in (parts, own):
            assert torch.allclose(found.mean[group], whole.mean[group], atol=1e-12)
            assert torch.allclose(found.std[group], whole.std[group], rtol=1e-10)


def test_a_normalised_convolution_is_corrected_at_its_norm():
    torch.manual_seed(0)
    a, b = Normed().double(), Normed().double()
    ref, other = (dict(m.named_parameters()) for m in (a, b))
    assert find_sites(a.spec) == {"c": Site("norm.weight", "norm.bias")}
    x = torch.randn(40, 2, 8, 8, dtype=torch.float64)
    fixed = repair(a, ref, other, x)
    target = measure(a, ref, x).lerp(measure(a, other, x), 0.5)
    found = measure(a, fixed, x)
    assert torch.allclose(found.std["c"], target.std["c"])
    assert torch.allclose(found.mean["c"], target.mean["c"])
    assert torch.equal(fixed["conv.weight"], (ref["conv.weight"] + other["conv.weight"]) / 2)


def test_a_unit_that_does_not_vary_is_shifted_only():
    network = Mlp((3, 4, 1)).double()
    ref, other = pair(network, 1)
    ref["layers.0.weight"][1] = 0.3
    other["layers.0.weight"][1] = -0.3  # between the two it does not vary
    x = points(100)
    fixed = repair(network, ref, other, x)
    assert all(torch.isfinite(t).all() for t in fixed.values())
    target = measure(network, ref, x).lerp(measure(network, other, x), 0.5)
    found = measure(network, fixed, x)
    assert found.std["hidden.0"][1] == pytest.approx(0, abs=1e-12)
    assert found.mean["hidden.0"][1] == pytest.approx(float(target.mean["hidden.0"][1]))


def test_what_cannot_be_corrected_is_said():
    network = NETS[0]
    ref, _ = pair(network)
    with pytest.raises(InputError, match="at least one sample"):
        measure(network, ref, torch.empty(0, 3))
    with pytest.raises(InputError, match="must be 1 or more"):
        measure(network, ref, points(10), batch=0)
    with pytest.raises(InputError, match="lacks the network's parameter"):
        measure(network, {"weight": torch.zeros(2)}, points(10))
    twice = Spec(
        {"a.weight": ("g", None), "a.bias": ("g",), "b.weight": ("g", None), "b.bias": ("g",)}
    )
    with pytest.raises(InputError, match="exactly one layer"):
        find_sites(twice)
