"""Does a classifier mean what it says: confidence beside accuracy, and the temperature between."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from onebasin.errors import InputError


@dataclass(frozen=True, eq=False)
class Calibration:
    """Confidence and accuracy of a classifier, in bins of equal width.

    Args:
        confidence: Mean largest probability of the samples of each bin, 0 where a bin is empty.
        accuracy: Share of them classified correctly.
        share: Share of all samples that fall into the bin.
        error: Expected calibration error, the mean gap of the two weighted by the shares.
    """

    confidence: Float[Tensor, "*models bins"]
    accuracy: Float[Tensor, "*models bins"]
    share: Float[Tensor, "*models bins"]
    error: Float[Tensor, "*models"]


def calibration(
    logits: Float[Tensor, "*models samples classes"],
    classes: Int[Tensor, " samples"],
    *,
    bins: int = 10,
) -> Calibration:
    r"""Reliability of the largest probability.

    .. math:: \mathrm{ECE} = \sum_b \frac{n_b}{n}\, \lvert \mathrm{acc}_b - \mathrm{conf}_b \rvert

    Source: [guo2017], eq. (3); [ainsworth2023], Fig. 10 and 12 show the diagram.

    Args:
        logits: Of one classifier or a stack.
        classes: The right classes.
        bins: Bins of confidence in (0, 1].

    Raises:
        InputError: if there is no bin or no sample.
    """
    if bins < 1 or len(classes) == 0:
        raise InputError("bins, classes", (bins, len(classes)), "must be 1 or more each")
    top, guess = logits.double().softmax(-1).max(-1)
    right = (guess == classes).double()
    place = (top * bins).ceil().long().clamp(1, bins) - 1
    member = torch.nn.functional.one_hot(place, bins).double()  # [*models samples bins]
    count = member.sum(-2)
    confidence, accuracy = (
        torch.einsum("...sb,...s->...b", member, value) / count.clamp(min=1)
        for value in (top, right)
    )
    share = count / len(classes)
    error = (share * (accuracy - confidence).abs()).sum(-1)
    return Calibration(confidence, accuracy, share, error)


def best_temperature(
    logits: Float[Tensor, "samples classes"], classes: Int[Tensor, " samples"]
) -> float:
    """The number by which logits are best divided: lowest cross-entropy, between 1/20 and 20.

    The loss is convex in the inverse temperature, so a golden-section search finds it.

    Source: [guo2017], §4.2.
    """
    ratio, low, high = (5**0.5 - 1) / 2, 0.05, 20.0
    whole = logits.double()

    def loss(inverse: float) -> float:
        return float(cross_entropy(whole * inverse, classes))

    while high - low > 1e-4 * low:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return 2 / (low + high)
