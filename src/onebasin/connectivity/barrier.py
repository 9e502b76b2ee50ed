"""How high the loss rises between two networks: barrier, area under it, peaks."""

from __future__ import annotations

import torch
from jaxtyping import Float
from scipy.signal import find_peaks
from torch import Tensor

from onebasin.errors import InputError

Curve = Float[Tensor, "*models lambdas"]


def excess(loss: Curve, *, lambdas: Float[Tensor, " lambdas"] | None = None) -> Curve:
    r"""Loss above the straight line between the end losses.

    .. math:: \psi(\lambda) = L(\lambda) - [(1 - \lambda) L(0) + \lambda L(1)]

    Source: [ballerini2023], Def. 2.1; [navon2024], §6.

    Args:
        loss: Loss at points of the path, both ends included.
        lambdas: Where on [0, 1] the points lie, ascending; evenly spaced by default.

    Returns:
        Float64, in the unit of the loss; exactly 0 at both ends.

    Raises:
        InputError: if there are fewer than two points, one is not finite, or lambdas do not fit.
    """
    loss = _checked(loss)
    place = _places(loss, lambdas)
    return loss - ((1 - place) * loss[..., :1] + place * loss[..., -1:])


def barrier(
    loss: Curve, *, lambdas: Float[Tensor, " lambdas"] | None = None
) -> Float[Tensor, "*models"]:
    r"""Largest rise above the line between the ends, :math:`\max_\lambda \psi(\lambda)`.

    The maximum includes :math:`\lambda = 0` and 1, so it is never negative.

    Source: [ballerini2023], Def. 2.1; [navon2024], §6. See :func:`excess` for arguments and errors.
    """
    return excess(loss, lambdas=lambdas).amax(-1)


def mean_barrier(loss: Curve) -> Float[Tensor, "*models"]:
    r"""Largest loss minus the mean of the two end losses.

    .. math:: \max_\lambda L(\lambda) - \tfrac12 [L(0) + L(1)]

    Source: [ainsworth2023], Def. 2.2. Between unequal ends a convex loss gives half of their
    difference, not 0.
    """
    loss = _checked(loss)
    return loss.amax(-1) - (loss[..., 0] + loss[..., -1]) / 2


def auc(
    loss: Curve, clip: bool = False, *, lambdas: Float[Tensor, " lambdas"] | None = None
) -> Float[Tensor, "*models"]:
    r"""Area under :math:`\psi` on [0, 1], by the trapezoid rule.

    Source: [navon2024], §6, which cuts the result at 0 from below.

    Args:
        loss: Loss at points of the path, both ends included.
        clip: Whether a negative area counts as 0.
        lambdas: As in :func:`excess`.
    """
    rise = excess(loss, lambdas=lambdas)
    area = torch.trapezoid(rise, _places(rise, lambdas), dim=-1)
    return area.clamp(min=0) if clip else area


def peaks(
    loss: Curve, prominence: float = 0.1, *, lambdas: Float[Tensor, " lambdas"] | None = None
) -> list[list[int]]:
    """Where each curve has its peaks.

    Args:
        loss: Loss at points of the path, both ends included.
        prominence: Least prominence of a peak, as a fraction of the curve's barrier.
        lambdas: As in :func:`excess`.

    Returns:
        For every curve (a single one gives a list of one) the indices of its peaks, ascending.
        Ends are never peaks. A curve without a barrier has none.
    """
    curves = _checked(loss).reshape(-1, loss.shape[-1])
    heights = barrier(curves, lambdas=lambdas)
    return [
        find_peaks(curve, prominence=prominence * height)[0].tolist() if height > 0 else []
        for curve, height in zip(curves.cpu().numpy(), heights.tolist(), strict=True)
    ]


def _checked(loss: Tensor) -> Curve:
    if loss.ndim < 1 or loss.shape[-1] < 2:
        raise InputError("loss", tuple(loss.shape), "needs at least the two ends of the path")
    if not torch.isfinite(loss).all():
        raise InputError("loss", "NaN or infinite", "has values that are not finite")
    return loss.double()


def _places(loss: Tensor, lambdas: Tensor | None) -> Float[Tensor, " lambdas"]:
    if lambdas is None:
        return torch.linspace(0, 1, loss.shape[-1], dtype=torch.float64, device=loss.device)
    place = lambdas.to(loss.device, torch.float64)
    ends = place.shape == loss.shape[-1:] and place[0] == 0 and place[-1] == 1
    if not ends or not (place.diff() > 0).all():
        raise InputError(
            "lambdas", lambdas.tolist(), "must rise from 0 to 1, one for each loss on the path"
        )
    return place
