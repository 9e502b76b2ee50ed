"""What a loss curve looks like, as yes or no and as numbers: two peaks, one bell, a dip."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from onebasin.connectivity.barrier import Curve, peaks
from onebasin.errors import InputError

Window = tuple[int, int]


def two_peaks(loss: Curve, near: Window = (3, 6)) -> Bool[Tensor, " models"]:
    """Whether each curve has exactly two peaks, one in a window and one in its mirror image.

    Args:
        loss: Loss at points of the path, both ends included.
        near: First and last index of the window, counted from each end.

    Returns:
        One answer per curve; a peak is what :func:`onebasin.connectivity.barrier.peaks` finds.

    Raises:
        InputError: if the window does not lie in the first half of the curve.
    """
    last = loss.shape[-1] - 1
    low, high = near
    if not 0 < low <= high <= last // 2:
        raise InputError("near", near, f"choose indices between 1 and {last // 2}")

    def fits(found: list[int]) -> bool:
        both = len(found) == 2 and low <= found[0] <= high and low <= last - found[1] <= high
        return bool(both)

    return torch.tensor([fits(found) for found in peaks(loss)])


def one_peak(loss: Curve, middle: Window = (9, 15)) -> Bool[Tensor, " models"]:
    """Whether each curve has exactly one peak, in a window around the middle.

    Args:
        loss: As in :func:`two_peaks`.
        middle: First and last index of the window.
    """
    low, high = middle
    return torch.tensor([len(f) == 1 and low <= f[0] <= high for f in peaks(loss)])


def dip(loss: Curve) -> Float[Tensor, " models"]:
    """Lowest loss between the first and the last peak; NaN for a curve with fewer than two.

    Args:
        loss: As in :func:`two_peaks`.

    Returns:
        Float64, in the unit of the loss.
    """
    curves = loss.reshape(-1, loss.shape[-1]).double()
    lowest = [
        float("nan") if at is None else float(curve[at])
        for curve, at in zip(curves, dip_at(loss), strict=True)
    ]
    return torch.tensor(lowest, dtype=torch.float64)


def dip_at(loss: Curve) -> list[int | None]:
    """Index of the lowest loss between the first and the last peak; None without two peaks.

    Args:
        loss: As in :func:`two_peaks`.
    """
    curves = loss.reshape(-1, loss.shape[-1]).double()
    return [
        found[0] + int(curve[found[0] : found[-1] + 1].argmin()) if len(found) > 1 else None
        for curve, found in zip(curves, peaks(loss), strict=True)
    ]


def likeness(loss: Curve, other: Float[Tensor, "*others points"]) -> Float[Tensor, "*models"]:
    """Pearson's correlation of two curves over the points of the path.

    Args:
        loss: Loss at points of the path.
        other: Another one, at the same points.

    Returns:
        Between -1 and 1, float64; NaN if a curve is constant.

    Raises:
        InputError: if the curves do not have the same points.
    """
    if loss.shape != other.shape:
        raise InputError("other", tuple(other.shape), f"give curves like loss, {tuple(loss.shape)}")
    a, b = (t.double() - t.double().mean(-1, keepdim=True) for t in (loss, other))
    return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1))


def rank_likeness(
    first: Float[Tensor, "*models points"], second: Float[Tensor, "*others points"]
) -> Float[Tensor, "*models"]:
    """Spearman's correlation: Pearson's correlation of the ranks, ties sharing their mean rank.

    Infinite values are allowed: they rank last, all alike.

    Args:
        first: Values along a path.
        second: Other values, at the same points.

    Returns:
        Between -1 and 1, float64; NaN if one of them is constant.

    Raises:
        InputError: if the two have different shapes or a value is not a number.
    """
    if first.isnan().any() or second.isnan().any():
        raise InputError("first", "NaN", "ranks need numbers; infinite ones are allowed")
    return likeness(_ranks(first), _ranks(second))


def _ranks(values: Tensor) -> Float[Tensor, "*models points"]:
    from scipy.stats import rankdata

    return torch.from_numpy(rankdata(values.cpu().double().numpy(), axis=-1))
