"""The arc between two networks."""

from __future__ import annotations

import pytest
import torch

from onebasin.connectivity.arc import loss_along_arc, slerp
from onebasin.connectivity.line import loss_along_line
from onebasin.errors import InputError
from onebasin.networks import Mlp, initialise, unstack
from onebasin.seeds import stream

NETWORK = Mlp((3, 6, 5, 2)).double()
STATES = initialise(NETWORK, range(4))
REF, OTHER = ({n: t[part] for n, t in STATES.items()} for part in (slice(0, 2), slice(2, 4)))
X = torch.randn(30, 3, generator=stream("x"), dtype=torch.float64)
Y = torch.randn(30, 2, generator=stream("y"), dtype=torch.float64)
mse = torch.nn.functional.mse_loss


def norm(state):
    return torch.cat([tensor.flatten() for tensor in state.values()]).norm()


def test_the_arc_keeps_the_length_of_equally_long_networks():
    ref, other = unstack(STATES)[:2]
    longer = {name: tensor * (norm(ref) / norm(other)) for name, tensor in other.items()}
    for lam in (0.2, 0.5, 0.9):
        assert float(norm(slerp(ref, longer, lam))) == pytest.approx(float(norm(ref)), rel=1e-12)
    half = slerp(ref, longer, 0.5)
    toward = {name: ref[name] + longer[name] for name in ref}
    cosine = sum((half[n] * toward[n]).sum() for n in half) / (norm(half) * norm(toward))
    assert float(cosine) == pytest.approx(1.0)


def test_ends_are_exact_and_equal_networks_stay():
    ref, other = unstack(STATES)[:2]
    for lam, end in ((0, ref), (1, other)):
        assert all(torch.equal(tensor, end[n]) for n, tensor in slerp(ref, other, lam).items())
    for name, tensor in slerp(ref, ref, 0.3).items():
        torch.testing.assert_close(tensor, ref[name])


def test_a_stack_is_treated_as_its_members():
    together = slerp(REF, OTHER, 0.3, stacked=True)
    for k, (one, two) in enumerate(zip(unstack(REF), unstack(OTHER), strict=True)):
        for name, tensor in slerp(one, two, 0.3).items():
            torch.testing.assert_close(together[name][k], tensor)
    losses = loss_along_arc(NETWORK, REF, OTHER, mse, (X, Y), lambdas=5, chunk=7).loss
    for k, (one, two) in enumerate(zip(unstack(REF), unstack(OTHER), strict=True)):
        alone = loss_along_arc(NETWORK, one, two, mse, (X, Y), lambdas=5).loss
        torch.testing.assert_close(losses[k], alone)


def test_arc_and_line_share_their_ends_but_not_their_middle():
    arc = loss_along_arc(NETWORK, REF, OTHER, mse, (X, Y), lambdas=[0, 0.5, 1]).loss
    line = loss_along_line(NETWORK, REF, OTHER, mse, (X, Y), lambdas=[0, 0.5, 1]).loss
    torch.testing.assert_close(arc[:, [0, 2]], line[:, [0, 2]])
    assert (arc[:, 1] - line[:, 1]).abs().min() > 1e-4


def test_opposite_networks_have_no_arc():
    ref = unstack(STATES)[0]
    with pytest.raises(InputError, match="away"):
        slerp(ref, {name: -tensor for name, tensor in ref.items()}, 0.5)


def test_a_network_of_zeros_is_reached_on_the_line():
    ref, other = unstack(STATES)[:2]
    zero = {name: torch.zeros_like(tensor) for name, tensor in other.items()}
    for one, two in ((ref, zero), (zero, ref), (zero, zero)):
        for name, tensor in slerp(one, two, 0.25).items():
            assert torch.equal(tensor, torch.lerp(one[name], two[name], 0.25))
    pairs = [{n: torch.stack([s[n], t[n]]) for n in ref} for s, t in ((ref, ref), (zero, other))]
    together = slerp(*pairs, 0.25, stacked=True)
    for name, tensor in slerp(ref, other, 0.25).items():
        torch.testing.assert_close(together[name][1], tensor)
        assert torch.equal(together[name][0], torch.lerp(ref[name], zero[name], 0.25))
