"""Bootstrap intervals, over seeds or over groups of dependent values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from onebasin.errors import InputError
from onebasin.seeds import numpy_stream


@dataclass(frozen=True)
class Interval:
    """A statistic and its interval.

    Args:
        value: The statistic of all values.
        lo: Lower end; equal to ``value`` where nothing was resampled.
        hi: Upper end.
        n: Independent units: values, or groups where values depend on each other.
    """

    value: float
    lo: float
    hi: float
    n: int


def bootstrap(
    values: Sequence[float] | np.ndarray,
    groups: Sequence[object] | np.ndarray | None = None,
    *,
    statistic: Callable[[np.ndarray], float] | None = None,
    level: float = 0.95,
    samples: int = 10_000,
) -> Interval:
    """Percentile bootstrap interval of a statistic.

    With ``groups``, whole groups are drawn with replacement (cluster bootstrap), which is what
    pairs that share a network need. With one unit there is nothing to resample and the interval
    is the point. Few units give intervals that are too narrow; show the points as well.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), ch. 13.

    Args:
        values: Finite numbers.
        groups: Label of the group of each value.
        statistic: Maps a vector to a number; default the mean.
        level: Coverage aimed at.
        samples: Bootstrap samples, drawn from a stream of their own: equal input, equal answer.

    Returns:
        The statistic with its interval.

    Raises:
        InputError: if there are no values, one is not finite, or the labels do not fit.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or not data.size or not np.isfinite(data).all():
        raise InputError("values", values, "must be one list of at least one finite number")
    members = _members(data, groups)
    value = float(statistic(data)) if statistic else math.fsum(data) / data.size
    if len(members) == 1:
        return Interval(value, value, value, 1)
    draws = numpy_stream("bootstrap", len(members)).integers(
        len(members), size=(samples, len(members))
    )
    resampled = _means(members, draws) if statistic is None else _each(members, draws, statistic)
    tail = (1 - level) / 2
    lo, hi = np.quantile(resampled, [tail, 1 - tail])
    return Interval(value, min(float(lo), value), max(float(hi), value), len(members))


def _members(data: np.ndarray, groups: Sequence[object] | np.ndarray | None) -> list[np.ndarray]:
    if groups is None:
        return list(data[:, None])
    if len(groups) != data.size:
        raise InputError("groups", groups, f"must label each of the {data.size} values")
    held: dict[object, list[float]] = {}
    for label, value in zip(groups, data, strict=True):
        held.setdefault(label, []).append(float(value))
    return [np.array(part) for part in held.values()]


def _means(members: list[np.ndarray], draws: np.ndarray) -> np.ndarray:
    sums = np.array([math.fsum(part) for part in members])
    sizes = np.array([part.size for part in members])
    return sums[draws].sum(1) / sizes[draws].sum(1)


def _each(
    members: list[np.ndarray], draws: np.ndarray, statistic: Callable[[np.ndarray], float]
) -> np.ndarray:
    return np.array([statistic(np.concatenate([members[i] for i in row])) for row in draws])
