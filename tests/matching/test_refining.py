"""Refinement of sine units on the loss half-way: where it starts, what it keeps, what it lowers."""

from __future__ import annotations

import pytest
import torch

from onebasin import Siren, apply, matching, seeds
from onebasin.connectivity import interpolate
from onebasin.errors import InputError
from onebasin.matching.refining import RefineOptions, phase_refine
from onebasin.symmetry import Dihedral, verify

pytestmark = pytest.mark.filterwarnings("ignore::onebasin.matching.ConvergenceWarning")


def mean_square(output, target):
    return (output - target).square().mean()


@pytest.fixture(scope="module")
def trained():
    """Three networks of other starts that fit one wave, as a pair of stacks [2], and the data."""
    net = Siren(16, 2, inputs=2, omega=5.0).double()
    x = 2 * torch.rand(300, 2, generator=seeds.stream("refine-x"), dtype=torch.float64) - 1
    y = torch.sin(4 * x[:, :1]) * x[:, 1:]
    states = []
    for number in range(3):
        net.redraw(seeds.stream("refine-net", number))
        optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
        for _ in range(150):
            optimiser.zero_grad()
            mean_square(net(x), y).backward()
            optimiser.step()
        states.append({name: tensor.detach().clone() for name, tensor in net.named_parameters()})
    net.eval()
    ref = {name: torch.stack([states[0][name]] * 2) for name in states[0]}
    other = {name: torch.stack([s[name] for s in states[1:]]) for name in states[0]}
    return net, ref, other, (x, y)


def half_way(net, ref, other, element, data):
    outputs = net.run(interpolate(ref, apply(element, other), 0.5), data[0])
    return (outputs - data[1]).square().mean((1, 2))


def test_it_starts_at_the_match_of_phases_and_only_lowers_the_loss(trained):
    net, ref, other, data = trained
    kinds = {"network": net, "data": data, "loss": mean_square, "omega": net.gain}
    first = matching.phase_match(
        net.spec, ref, other, network=net, data=data[0], omega=net.gain
    ).element
    begun = half_way(net, ref, other, first, data)
    found = phase_refine(net.spec, ref, other, **kinds, options=RefineOptions(steps=20, lr=1e-2))
    reached = half_way(net, ref, other, found.element, data)
    torch.testing.assert_close(found.loss[0], begun)
    torch.testing.assert_close(-found.objective, reached)
    assert (reached <= begun).all() and (reached < 0.95 * begun).all()
    assert isinstance(found.element, Dihedral)
    for moved, before in zip(
        net.run(apply(found.element, other), data[0]), net.run(other, data[0]), strict=True
    ):
        assert verify.roundings(moved, before) < 4096


def test_a_pair_alone_is_refined_as_in_a_stack_and_with_points_of_its_own(trained):
    net, ref, other, data = trained
    options = RefineOptions(steps=4, lr=3e-3)
    kinds = {"network": net, "loss": mean_square, "omega": net.gain, "options": options}
    whole = phase_refine(net.spec, ref, other, data=data, **kinds)
    one = [{name: tensor[1] for name, tensor in state.items()} for state in (ref, other)]
    alone = phase_refine(net.spec, *one, data=data, **kinds)
    own = phase_refine(net.spec, ref, other, data=tuple(t.expand(2, -1, -1) for t in data), **kinds)
    torch.testing.assert_close(alone.loss, whole.loss[:, 1])
    torch.testing.assert_close(own.loss, whole.loss)


def test_no_steps_or_no_data_are_refused(trained):
    net, ref, other, (x, y) = trained
    kinds = {"network": net, "loss": mean_square, "omega": net.gain}
    with pytest.raises(InputError, match="steps"):
        phase_refine(net.spec, ref, other, data=(x, y), **kinds, options=RefineOptions(steps=0))
    with pytest.raises(InputError, match="data"):
        phase_refine(net.spec, ref, other, data=(x[:0], y[:0]), **kinds)
