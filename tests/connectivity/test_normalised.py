"""Loss between networks with batch normalisation: every policy, stop by stop."""

import pytest
import torch

from onebasin import seeds
from onebasin.connectivity import loss_along_line
from onebasin.connectivity.normalised import loss_along_normalised
from onebasin.errors import InputError
from onebasin.merging import batchnorm
from onebasin.networks import ResNet, call, stack

LOSS = torch.nn.functional.cross_entropy


def network(norm="batch"):
    return ResNet(20, 0.25, norm=norm, inputs=1).double().eval()


def drawn(norm, numbers):
    states = []
    for number in numbers:
        one = network(norm).train()
        one.redraw(seeds.stream("normalised", number))
        one(images(40, 10 + number)[0])  # running statistics of its own
        states.append({name: t.detach().clone() for name, t in one.state_dict().items()})
    return stack(states)


def images(samples, seed):
    generator = seeds.stream("normalised-images", seed)
    x = torch.rand(samples, 1, 8, 8, generator=generator, dtype=torch.float64)
    return x, torch.arange(samples) % 10


@pytest.mark.parametrize("policy", batchnorm.POLICIES)
def test_every_stop_is_the_loss_of_the_network_there(policy):
    net, (ref, other) = network(), (drawn("batch", (0, 1)), drawn("batch", (2, 3)))
    data, seen = images(30, 0), images(20, 1)[0]
    how = {"policy": policy, "seen": seen}
    line = loss_along_normalised(net, ref, other, LOSS, data, lambdas=[0, 0.5, 1], batch=10, **how)
    here = batchnorm.between(net, ref, other, 0.5, policy=policy, inputs=seen, batch=10)
    expected = torch.stack([LOSS(out, data[1]) for out in call(net, here, data[0])])
    assert line.loss.shape == (2, 3) and torch.allclose(line.loss[:, 1], expected, rtol=1e-9)
    plain = loss_along_line(net, ref, other, LOSS, data, lambdas=[0, 0.5, 1]).loss
    assert torch.allclose(line.loss[:, ::2], plain[:, ::2], rtol=1e-9)
    assert torch.allclose(line.loss, plain, rtol=1e-6) == (policy == "none")


def test_without_batch_normalisation_every_policy_is_the_straight_line():
    net, (ref, other) = network("layer"), (drawn("layer", (0,)), drawn("layer", (1,)))
    data, seen = images(20, 0), images(20, 1)[0]
    plain = loss_along_line(net, ref, other, LOSS, data, lambdas=3).loss
    for policy in ("none", "reset"):
        line = loss_along_normalised(
            net, ref, other, LOSS, data, policy=policy, seen=seen, lambdas=3
        )
        assert torch.allclose(line.loss, plain, rtol=1e-9)


@pytest.mark.bad_input
def test_a_policy_that_estimates_needs_inputs():
    ref, other = drawn("batch", (0,)), drawn("batch", (1,))
    with pytest.raises(InputError, match="pass some inputs"):
        loss_along_normalised(network(), ref, other, LOSS, images(20, 0), lambdas=3)
