import pytest
import torch

from helpers import draw, forward, network
from onebasin.connectivity import interpolate, loss_along_line
from onebasin.connectivity.line import Line
from onebasin.errors import InputError
from onebasin.networks import Mlp, Siren
from onebasin.networks.population import call, initialise, unstack

WIDTHS = (4, 6, 5, 3)
SPEC = network(WIDTHS)
NET = Mlp(WIDTHS)
MSE = torch.nn.functional.mse_loss
CE = torch.nn.functional.cross_entropy


def data(models=(), samples=23, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(*models, samples, 4, generator=generator, dtype=torch.float64)
    y = torch.randn(*models, samples, 3, generator=generator, dtype=torch.float64)
    return x.to(dtype), y.to(dtype)


def plain(ref, other, x, y, lambdas):
    losses = []
    for lam in lambdas:
        mixed = {name: (1 - lam) * ref[name] + lam * other[name] for name in ref}
        losses.append(MSE(forward(mixed, x), y))
    return torch.stack(losses)


@pytest.mark.parametrize("chunk", [None, 1, 5, 23, 1000])
@pytest.mark.parametrize("models", [None, 1, 3])
def test_loss_is_that_of_the_interpolated_networks(models, chunk):
    ref, other = (draw(SPEC, WIDTHS, seed, models=models) for seed in (0, 1))
    x, y = data()
    line = loss_along_line(NET, ref, other, MSE, (x, y), lambdas=7, chunk=chunk)
    assert isinstance(line, Line) and line.loss.dtype == torch.float64
    assert torch.allclose(line.lambdas, torch.arange(7).double() / 6)
    for k in range(models or 1):
        pair = [{n: t if models is None else t[k] for n, t in s.items()} for s in (ref, other)]
        found = line.loss if models is None else line.loss[k]
        assert torch.allclose(found, plain(*pair, x, y, line.lambdas), rtol=1e-12)


def test_every_pair_may_have_its_own_data():
    ref, other = (draw(SPEC, WIDTHS, seed, models=3) for seed in (0, 1))
    x, y = data((3,))
    line = loss_along_line(NET, ref, other, MSE, (x, y), lambdas=5, chunk=10)
    for k in range(3):
        pair = ({n: t[k] for n, t in s.items()} for s in (ref, other))
        assert torch.allclose(line.loss[k], plain(*pair, x[k], y[k], line.lambdas), rtol=1e-12)


@pytest.mark.parametrize("room", [1, 100, 10**9])
def test_pieces_of_any_size_give_the_same(room, monkeypatch):
    monkeypatch.setattr("onebasin.connectivity.line._CACHE_ELEMENTS", room)
    ref, other = (draw(SPEC, WIDTHS, seed, models=2) for seed in (0, 1))
    x, y = data()
    line = loss_along_line(NET, ref, other, MSE, (x, y), lambdas=5)
    for k in range(2):
        pair = ({n: t[k] for n, t in s.items()} for s in (ref, other))
        assert torch.allclose(line.loss[k], plain(*pair, x, y, line.lambdas), rtol=1e-12)


def test_a_siren_s_first_layer_is_run_at_the_ends_only():
    net = Siren(8, hidden=2)
    ref, other = unstack(initialise(net, [0, 1]))
    x = torch.rand(30, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    y = torch.rand(30, 1, generator=torch.Generator().manual_seed(1))
    calls = []
    begin, net.begin = net.begin, lambda state, x: calls.append(len(x)) or begin(state, x)
    line = loss_along_line(net, ref, other, MSE, (x, y), lambdas=9)
    assert len(calls) == 2
    for lam, loss in zip(line.lambdas.tolist(), line.loss, strict=True):
        honest = MSE(call(net, interpolate(ref, other, lam), x), y)
        assert loss.item() == pytest.approx(honest.item(), rel=1e-4)


@pytest.mark.parametrize("models", [None, 3])
def test_a_module_that_knows_nothing_of_us(models):
    net = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3))
    net = net.double()
    stacks = [initialise(net, [s, s + 10, s + 20]) for s in (0, 1)]
    ref, other = stacks if models else [unstack(s)[0] for s in stacks]
    x, y = data()
    line = loss_along_line(net, ref, other, MSE, (x, y), lambdas=4, chunk=6)
    for k in range(models or 1):
        pair = [{n: t[k] for n, t in s.items()} if models else s for s in (ref, other)]
        for p, lam in enumerate(line.lambdas.tolist()):
            out = torch.func.functional_call(net, interpolate(*pair, lam), (x,))
            found = line.loss[k, p] if models else line.loss[p]
            assert found.item() == pytest.approx(MSE(out, y).item(), rel=1e-12)


def test_as_many_images_as_networks_are_not_taken_for_their_own():
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8, 3))
    ref, other = (initialise(net, [s, s + 10, s + 20]) for s in (0, 1))
    x = torch.randn(3, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    line = loss_along_line(net, ref, other, CE, (x, torch.tensor([0, 1, 2])), lambdas=3)
    first = {name: t[0] for name, t in ref.items()}
    honest = CE(torch.func.functional_call(net, first, (x,)), torch.tensor([0, 1, 2]))
    assert line.loss[0, 0].item() == pytest.approx(honest.item(), rel=1e-6)


def test_given_places_and_the_ends_are_exact():
    ref, other = draw(SPEC, WIDTHS, 0), draw(SPEC, WIDTHS, 1)
    line = loss_along_line(NET, ref, other, MSE, data(), lambdas=[0.0, 0.3, 2.0])
    assert line.lambdas.tolist() == [0.0, 0.3, 2.0]
    assert torch.allclose(line.loss, plain(ref, other, *data(), [0.0, 0.3, 2.0]), rtol=1e-12)
    assert all(torch.equal(interpolate(ref, other, 0.0)[n], ref[n]) for n in ref)
    assert all(torch.equal(interpolate(ref, other, 1.0)[n], other[n]) for n in ref)


def test_counters_come_from_ref():
    pair = [{"w": torch.tensor([w]), "count": torch.tensor(c)} for w, c in ((1.0, 3), (3.0, 9))]
    assert interpolate(*pair, 0.5) == {"w": torch.tensor([2.0]), "count": torch.tensor(3)}


def test_no_gradient_is_kept_and_the_network_is_not_changed():
    ref, other = draw(SPEC, WIDTHS, 0), draw(SPEC, WIDTHS, 1)
    before = {name: t.clone() for name, t in NET.named_parameters()}
    leaves = {name: t.requires_grad_() for name, t in ref.items()}
    assert not loss_along_line(NET, leaves, other, MSE, data()).loss.requires_grad
    assert all(torch.equal(t, before[name]) for name, t in NET.named_parameters())


def twice(state):
    return {name: tensor.expand(2, *tensor.shape) for name, tensor in state.items()}


@pytest.mark.bad_input
def test_bad_arguments_are_refused():
    ref, other = draw(SPEC, WIDTHS, 0), draw(SPEC, WIDTHS, 1)
    x, y = data()
    for args, more, words in [
        ((NET, ref, draw(SPEC, (4, 7, 5, 3), 1), MSE, (x, y)), {}, "names and shapes"),
        ((NET, ref, other, MSE, (x, y)), {"lambdas": 1}, "lambdas=1.*two ends"),
        ((NET, ref, other, MSE, (x, y)), {"lambdas": [0.0, float("nan")]}, "list of places"),
        ((NET, ref, other, MSE, (x, y)), {"chunk": 0}, "chunk=0"),
        ((NET, ref, other, MSE, (x[:0], y[:0])), {}, "at least one sample"),
        ((NET, ref, other, MSE, (x, y[:5])), {}, "equally many"),
        ((NET, twice(ref), twice(other), MSE, (x.expand(2, *x.shape), y)), {}, "equally many"),
        (
            (NET, twice(ref), twice(other), MSE, (x.expand(3, *x.shape), y.expand(3, *y.shape))),
            {},
            "the 2 networks",
        ),
        ((torch.nn.Linear(4, 3), ref, other, MSE, (x, y)), {}, "lacks the network's parameter"),
    ]:
        with pytest.raises(InputError, match=words):
            loss_along_line(*args, **more)
