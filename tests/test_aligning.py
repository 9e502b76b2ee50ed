"""Two modules in, the aligned one out; every refusal says what to do."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import onebasin as ob
from onebasin import seeds
from onebasin.errors import InputError
from onebasin.matching import ActivationOptions, WeightOptions
from onebasin.networks import READY
from onebasin.symmetry import Permutation, apply

X = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))


def build(seed, norm=False, units=6):
    torch.manual_seed(seed)
    parts = [nn.Linear(3, units), nn.ReLU(), nn.Linear(units, 5), nn.Tanh(), nn.Linear(5, 2)]
    return nn.Sequential(*parts[:2], *([nn.BatchNorm1d(units)] if norm else []), *parts[2:]).eval()


def planted(module, spec):
    """A relabelled copy, and what undoes it."""
    state = dict(module.state_dict())
    element = Permutation.random(spec, spec.sizes(state), torch.Generator().manual_seed(1))
    twin = copy.deepcopy(module)
    twin.load_state_dict(apply(element.inverse(), state))
    return twin, element


@pytest.mark.parametrize("method", ["weight", "activation"])
def test_a_relabelled_copy_comes_back_with_its_buffers(method):
    ref = build(0, norm=True)
    ref[2].running_mean.copy_(torch.randn(6))
    ref[2].running_var.copy_(torch.rand(6) + 0.5)
    from onebasin.symmetry.deriving import derive

    other, element = planted(ref, derive(ref, X))
    kept = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    found = ob.align(ref, other, X, method)
    assert all(torch.equal(t, ref.state_dict()[n]) for n, t in found.module.state_dict().items())
    assert all(torch.equal(found.element.perms[g], p) for g, p in element.perms.items())
    assert found.distance_after == 0 < found.distance_before
    assert found.function_change < 1e-5
    assert all(torch.equal(t, kept[n]) for n, t in other.state_dict().items())  # not changed
    assert torch.equal(found.between(0.5)(X), ref(X))
    assert "units in 2 groups, converged" in repr(found)


def test_ends_of_the_way_and_the_objective():
    ref, other = build(0), build(1)
    found = ob.align(ref, other, X)
    assert torch.equal(found.between(0)(X), ref(X))
    assert torch.allclose(found.between(1)(X), other(X), atol=1e-5)
    assert found.objective == pytest.approx(float(found.match.history[-1]))
    norms = sum(
        float(t.double().square().sum()) for m in (ref, other) for t in m.state_dict().values()
    )
    fixed = float((ref[4].bias * other[4].bias).detach().sum())  # on no group's axis
    assert found.distance_after**2 == pytest.approx(norms - 2 * (found.objective + fixed), rel=1e-6)


def test_a_module_that_brings_its_spec_needs_no_data():
    ref, other = (READY["resnet20"].small().eval() for _ in "ab")
    other.redraw(torch.Generator().manual_seed(1))
    found = ob.align(ref, other)
    assert found.spec == ref.spec and found.function_change != found.function_change


def test_methods_and_their_options():
    ref, other, y = build(0), build(1), torch.arange(30) % 2
    more = ob.AlignOptions(restarts=20)
    assert ob.align(ref, other, X, options=more).objective >= ob.align(ref, other, X).objective
    options = ob.AlignOptions(matcher=ActivationOptions(objective="correlation"))
    assert ob.align(ref, other, (X, y), "activation", options=options).objective <= 11
    options = ob.AlignOptions(matcher=WeightOptions(order=["a", "b"]))
    with pytest.raises(InputError, match="order"):
        ob.align(ref, other, X, options=options)
    with pytest.warns(UserWarning, match="stopped at epochs"):
        from onebasin.matching import StraightThroughOptions

        options = ob.AlignOptions(loss=cross_entropy, matcher=StraightThroughOptions(epochs=1))
        assert ob.align(ref, other, (X, y), "straight-through", options=options).match.best == 0


@pytest.mark.bad_input
def test_refusals_say_what_to_do():
    ref, other = build(0), build(1)
    wrong = ob.Spec({n: (None,) * t.ndim for n, t in ref.state_dict().items()} | {"0.bias": ("a",)})
    training = build(0, norm=True).train()
    deeper = nn.Sequential(*build(1), nn.Linear(2, 2)).eval()
    activation = nn.Sequential(*list(build(1))[:3], nn.ReLU(), build(1)[4]).eval()
    for args, options, words in [
        ((ref, build(1, units=7), X), {}, r"other\.0=.*out_features=7.*out_features=6"),
        ((ref, deeper, X), {}, r"other\.5=.*ref has nothing there"),
        ((ref, activation, X), {}, r"other\.3=.*ReLU.*ref has Tanh.*one architecture"),
        ((training, build(1, norm=True), X), {}, r"ref=.*training mode; call ref\.eval\(\)"),
        ((ref, copy.deepcopy(other).double(), X), {}, "dtype differs"),
        ((ref, other), {}, "data=None: a few inputs are needed"),
        ((ref, other, X, "magic"), {}, "method='magic'.*choose one of"),
        ((ref, other, X, "pruned"), {}, "is no matcher"),
        ((ref, other, X, "straight-through"), {}, r"data=.*pass data=\(inputs, targets\)"),
        ((ref, other, X, "activation"), {"restarts": 3}, "options.restarts=3"),
    ]:
        with pytest.raises(InputError, match=words):
            ob.align(*args, options=ob.AlignOptions(**options))
    with pytest.raises(InputError, match="changes the module's outputs by"):
        ob.align(ref, other, X, spec=wrong)
    with pytest.raises(InputError, match=r"without.*must list every tensor"):
        ob.align(ref, other, X, spec=ob.Spec({"0.bias": (None,)}))
    with pytest.raises(InputError, match=r"no group of units.*\(an output of the network"):
        ob.align(nn.Linear(3, 2), nn.Linear(3, 2), X)
    with pytest.raises(InputError, match=r"data=None.*verify your spec"):
        ob.align(ref, other, spec=wrong)
    broken = build(0)
    broken[0].weight.data[0, 0] = float("nan")
    for pair in ((broken, other), (ref, broken)):
        with pytest.raises(InputError, match=r"\['0\.weight'\]='NaN or infinite'.*retrain"):
            ob.align(*pair, X)
    for data, words in (
        ({"x": X}, r"data='dict': pass a tensor.*example=\(x, y"),
        (X[:0], "has no samples"),
        (X / 0, "clean the inputs"),
    ):
        with pytest.raises(InputError, match=words):
            ob.align(ref, other, data)
    with pytest.raises(InputError, match=r"spec=\{\}: pass a Spec"):
        ob.align(ref, other, X, spec={})
    with pytest.raises(InputError, match=r"options=\{\}: pass an AlignOptions"):
        ob.align(ref, other, X, options={})
    noisy = [nn.Sequential(build(k), Loud()).eval() for k in (0, 1)]
    with pytest.raises(InputError, match="in two ways"):
        ob.align(*noisy, X)
    wide = [build(k, units=99) for k in (0, 1)]
    single = [nn.Sequential(one[:2], Single(), one[2:]).eval() for one in wide]
    with pytest.raises(InputError, match="tolerance=1e-05"):
        ob.align(*single, X)
    assert ob.align(*single, X, options=ob.AlignOptions(tolerance=1e-5)).match.converged


class Loud(nn.Module):
    """Answers with noise, in evaluation mode too."""

    def forward(self, x):
        return x + torch.randn_like(x)


class Single(nn.Module):
    """Computes in single precision, whatever comes in."""

    def forward(self, x):
        kind = x.dtype
        x = x.float()
        return (x * x.square().mean(-1, keepdim=True).add(1e-6).rsqrt()).to(kind)


class Waves(nn.Module):
    """A frequency for each unit, a mask, a counter, and a memory of the last input."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.second, self.last = nn.Linear(3, 6), nn.Linear(6, 5), nn.Linear(5, 2)
        self.register_buffer("waves", torch.linspace(1, 3, 6))
        self.register_buffer("barred", torch.tensor([0.0, -torch.inf]))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        self.kept = torch.sin(self.first(x) * self.waves)
        return self.last(torch.tanh(self.second(self.kept))).clamp(max=-self.barred)


@pytest.mark.parametrize("method", ["weight", "activation"])
def test_constants_stay_and_no_module_is_marked(method):
    ref, other = Waves(0).eval(), Waves(1).eval()
    found = ob.align(ref, other, X, method)
    assert found.spec.groups == ("second",) and found.spec.axes["waves"] == (None,)
    assert torch.equal(found.between(0.5).waves, ref.waves)
    assert torch.allclose(found.module(X), other(X), atol=1e-5)
    for module, calls in ((ref, 0), (other, 1)):
        assert module.calls == calls and hasattr(module, "kept") == bool(calls)


def test_ties_must_be_the_same_in_both():
    tied, loose = (nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)).eval() for _ in "ab")
    tied[2].weight = tied[0].weight
    with pytest.raises(InputError, match=r"other\['2\.weight'\].*tie the same tensors"):
        ob.align(tied, loose, X)


@pytest.mark.parametrize("method", ["sign", "sign + phase", "phase"])
def test_sines_are_aligned_over_signs_and_phases(method):
    ref, other = (ob.Siren(16, 2, generator=seeds.stream("sines", k)).eval() for k in (0, 1))
    x = 2 * torch.rand(64, 3, generator=seeds.stream("inputs", 0)) - 1
    found = ob.align(ref, other, x, method, options=ob.AlignOptions(omega=30.0))
    assert found.function_change < 1e-4 and found.distance_after < found.distance_before
    with pytest.raises(InputError, match="frequency"):
        ob.align(ref, other, x, method)


def test_a_symmetry_that_the_module_does_not_have_is_refused():
    ref, other = (ob.Mlp((3, 16, 16, 1), generator=seeds.stream("relu", k)).eval() for k in (0, 1))
    x = torch.randn(64, 3, generator=seeds.stream("inputs", 1))
    with pytest.raises(InputError, match="no such symmetry"):
        ob.align(ref, other, x, "sign", options=ob.AlignOptions(omega=30.0))


@pytest.mark.parametrize("method", ["weight", "activation"])
def test_tied_weights_stay_tied(method):
    def tied(seed):
        torch.manual_seed(seed)
        parts = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        parts[2].weight = parts[1].weight
        net = nn.Sequential(*(one for part in parts for one in (part, nn.Tanh())))
        return net.eval()

    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(2))
    found = ob.align(tied(0), tied(1), x, method)
    assert found.module[4].weight is found.module[2].weight and found.function_change < 1e-5
