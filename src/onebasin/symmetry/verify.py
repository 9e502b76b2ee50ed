"""Measures of whether two outputs are the same: in roundings, and relative."""

from __future__ import annotations

import torch
from torch import Tensor


def roundings(value: Tensor, reference: Tensor) -> float:
    """Largest difference in units of one rounding of the largest entry.

    Args:
        value: What was computed.
        reference: What it should be, same shape and dtype.

    Returns:
        max |value - reference| / (eps max |reference|), with eps the spacing of the dtype at 1;
        infinite if the reference is zero and the value is not.
    """
    value, reference = value.detach(), reference.detach()
    difference = (value.double() - reference.double()).abs().max()
    if difference == 0:
        return 0.0
    scale = torch.finfo(reference.dtype).eps * reference.double().abs().max()
    return float(difference / scale)


def relative_change(value: Tensor, reference: Tensor) -> float:
    """Root mean square difference divided by the root mean square of the reference."""
    value, reference = value.detach().double(), reference.detach().double()
    return float((value - reference).norm() / reference.norm())
