"""Gradients written out against automatic differentiation, and training on several threads."""

from __future__ import annotations

from threading import Barrier, Event

import pytest
import torch

from onebasin.errors import InputError
from onebasin.networks import Batches, Mlp, Siren, TrainOptions, call, initialise, train
from onebasin.networks.activations import ACTIVATIONS
from onebasin.networks.backprop import Backprop
from onebasin.parallel import spread
from onebasin.seeds import stream

KINDS = {"siren": lambda: Siren(5, 3, outputs=2), "one layer": lambda: Mlp((3, 2))}
KINDS |= {"one output": lambda: Siren(5, 3)}
KINDS |= {name: (lambda name=name: Mlp((3, 6, 4, 4, 2), name)) for name in ACTIVATIONS}


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def _mse(output, target):
    return (output - target).square().mean()


def _data(models, samples=11):
    x = torch.randn(models, samples, 3, generator=stream("x"), dtype=torch.float64)
    return x, torch.randn(models, samples, 2, generator=stream("y"), dtype=torch.float64)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_are_the_derivatives(name):
    pre = torch.cat([torch.randn(50, generator=stream("pre")), torch.zeros(1)]).double()
    there = pre.clone().requires_grad_()
    value = ACTIVATIONS[name](there)
    (derivative,) = torch.autograd.grad(value.sum(), there)
    post = ACTIVATIONS[name].value(pre, out=torch.empty_like(pre))
    torch.testing.assert_close(post, value.detach())
    torch.testing.assert_close(ACTIVATIONS[name].slope(pre, post), derivative)


def _told(output, target):
    return _mse(output, target)


_told.elementwise = lambda output, target: (output - target).square()
_told.slope = lambda output, target: 2 * (output - target)


@pytest.mark.parametrize("objective", [_mse, _told])
@pytest.mark.parametrize("threads", [1, 2])  # which decide whose sine it is
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_automatic_differentiation(kind, threads, objective, two_threads):
    torch.set_num_threads(threads)
    network = KINDS[kind]().double()
    states = initialise(network, [0, 1, 2])
    x, y = _data(3)
    y = y[..., : network.widths[-1]]
    twins = {name: tensor.clone().requires_grad_() for name, tensor in states.items()}
    loss = (call(network, twins, x) - y).square().flatten(1).mean(1)
    loss.sum().backward()
    add = Backprop(network, states, objective, samples=7)
    for _ in range(2):  # a second batch forgets the first
        add.start()
        pieces = [add(x[:, part], y[:, part], share) for part, share in _parts()]
        torch.testing.assert_close(sum(pieces), loss.detach())
        for name in states:
            torch.testing.assert_close(add.gradients[name], twins[name].grad)


def _parts():
    return (slice(0, 7), 7 / 11), (slice(7, 11), 4 / 11)


@pytest.mark.parametrize("models", [1, 2, 5])
def test_threads_change_nothing_but_rounding(models, two_threads):
    network = Siren(5, 2, outputs=2).double()
    states, (x, y) = initialise(network, range(models)), _data(models)
    batches = Batches(x, y, batch=5, seeds=[(k,) for k in range(models)])
    runs = []
    for threads in (2, 1):
        torch.set_num_threads(threads)
        runs.append(train(network, states, batches, _mse, TrainOptions(steps=8)))
    torch.testing.assert_close(runs[0].loss, runs[1].loss, rtol=0, atol=1e-12)
    for name in states:
        torch.testing.assert_close(runs[0].states[name], runs[1].states[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("bad", [0, 1])
def test_one_failing_thread_ends_the_others(bad, two_threads):
    halt, both, ended = Event(), Barrier(2), []

    def work(piece):
        both.wait(timeout=30)
        if piece == bad:
            raise InputError("piece", piece, "is bad")
        ended.append(halt.wait(timeout=30))

    with pytest.raises(InputError, match="is bad"):
        spread(work, [0, 1], torch.device("cpu"), halt=halt)
    assert ended == [True]
    assert torch.get_num_threads() == 2


def test_data_that_all_networks_share_need_no_copies():
    x, y = (data[:1].expand(3, -1, -1) for data in _data(1))
    seeds = [(0,), (1,), (2,)]
    shared, copied = (
        Batches(x, y, batch=4, seeds=seeds),
        Batches(x.contiguous(), y.contiguous(), batch=4, seeds=seeds),
    )
    for step, models in ((0, slice(0, 3)), (3, slice(1, 3))):
        for mine, theirs in zip(shared(step, models), copied(step, models), strict=True):
            assert torch.equal(mine, theirs)
