import math

import pytest
import torch

from onebasin.networks import Mlp
from onebasin.symmetry import Spec, verify
from onebasin.symmetry.verify import difference, relative_change, roundings


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_rounding_is_one(dtype):
    reference = torch.tensor([1.0, -0.5], dtype=dtype)
    value = reference + torch.tensor([torch.finfo(dtype).eps, 0], dtype=dtype)
    assert roundings(value, reference) == pytest.approx(1)
    assert roundings(reference, reference) == 0


def test_zero_reference_needs_zero():
    assert roundings(torch.zeros(2), torch.zeros(2)) == 0
    assert roundings(torch.ones(2), torch.zeros(2)) == math.inf


def test_relative_change_of_a_doubled_output_is_one():
    reference = torch.tensor([3.0, 4.0])
    assert relative_change(2 * reference, reference) == pytest.approx(1)


def test_an_output_that_was_zero_counts_if_it_is_no_longer():
    one, zero = torch.ones(2), torch.zeros(2)
    assert difference([one, zero], [one, zero]) == 0
    assert difference([one, 1e-3 * one], [one, zero]) == math.inf
    assert difference([1.5 * one, zero], [one, one]) == 1
    assert difference([zero], [zero]) == math.inf
    assert difference([one * math.nan], [one]) == math.inf


def test_the_control_is_the_least_of_the_wrong_moves(monkeypatch):
    network, x = Mlp((3, 6, 2)), torch.randn(5, 3)
    seen = []

    def watched(values, reference):
        seen.append(difference(values, reference))
        return seen[-1]

    monkeypatch.setattr(verify, "difference", watched)
    found = verify.check_function(network.spec, network, x)
    errors, controls = seen[::2], seen[1::2]
    assert found.passed and found.error == max(errors) and found.control == min(controls)
    assert len(controls) == 2 and min(controls) < max(controls)
    still = Spec({name: (None,) * len(on) for name, on in network.spec.axes.items()})
    found = verify.check_function(still, network, x)
    assert (found.error, found.control, found.passed) == (0, 0, False)
