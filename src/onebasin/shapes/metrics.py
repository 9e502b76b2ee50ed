"""How far two clouds are apart."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin.errors import InputError
from onebasin.shapes.udf import distance


def chamfer(cloud: Float[Tensor, "points 3"], other: Float[Tensor, "others 3"]) -> float:
    r"""Chamfer distance, the mean squared distance to the nearest point, both ways, summed.

    .. math:: \frac{1}{|X|} \sum_{x \in X} \min_{y \in Y} \|x - y\|^2
              + \frac{1}{|Y|} \sum_{y \in Y} \min_{x \in X} \|x - y\|^2

    Source: as evaluated by deluigi2023.

    Returns:
        Squared units of the coordinates; 0 for equal clouds, symmetric, never negative.

    Raises:
        InputError: for an empty cloud or one that is not finite.
    """
    there, back = distance(cloud, other).double(), distance(other, cloud).double()
    return float(there.square().mean() + back.square().mean())


def chamfer_table(
    clouds: Float[Tensor, "clouds points 3"], others: Float[Tensor, "others spots 3"]
) -> Float[Tensor, "clouds others"]:
    """Chamfer distance of every cloud to every other one, in float32, for many clouds at once.

    Args:
        clouds: Equally many points each, in the unit ball.
        others: Likewise.

    Returns:
        As :func:`chamfer`, to about 1e-6 (squared units of the coordinates). Cost
        O(clouds others points spots).

    Raises:
        InputError: if a coordinate is not finite.
    """
    if not (torch.isfinite(clouds).all() and torch.isfinite(others).all()):
        raise InputError("clouds", "not finite", "remove NaN and infinite coordinates")
    rows = []
    for cloud in clouds.float():
        squared = cloud.square().sum(1)[:, None] + others.float().square().sum(2)[:, None, :]
        squared = torch.baddbmm(squared, cloud.expand(len(others), -1, -1), others.mT, alpha=-2)
        there, back = squared.amin(dim=2).clamp(min=0), squared.amin(dim=1).clamp(min=0)
        rows.append(there.mean(dim=1) + back.mean(dim=1))
    return torch.stack(rows)


def f_score(
    cloud: Float[Tensor, "points 3"], other: Float[Tensor, "others 3"], threshold: float = 0.01
) -> float:
    """Harmonic mean of the two shares of points that have a point of the other cloud nearby.

    Args:
        cloud: What is judged.
        other: What it is compared with.
        threshold: What counts as nearby (units of the coordinates).

    Returns:
        Between 0 (no point is near) and 1 (all are).

    Raises:
        InputError: for an empty cloud, one that is not finite, or a threshold that is not positive.
    """
    if not threshold > 0:
        raise InputError("threshold", threshold, "give a positive distance")
    precision = float((distance(cloud, other) <= threshold).double().mean())
    recall = float((distance(other, cloud) <= threshold).double().mean())
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0
