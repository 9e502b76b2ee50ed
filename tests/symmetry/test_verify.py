import math

import pytest
import torch

from onebasin.symmetry.verify import relative_change, roundings


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
