"""Intervals: by bootstrap over seeds or groups of dependent values, and by leaving units out."""

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


def jackknife(
    count: int, statistic: Callable[[list[int]], float], *, level: float = 0.95
) -> Interval:
    r"""Jackknife interval of a statistic that repeats would bias.

    .. math:: \hat\theta \pm t_{n-1}\, s, \qquad
              s^2 = \frac{n-1}{n} \sum_i (\hat\theta_{(i)} - \bar\theta_{(\cdot)})^2

    with :math:`\hat\theta_{(i)}` the statistic without unit i. A bootstrap sample holds some units
    several times, and a statistic of how alike units are (a share of variance, a distance) takes
    them for likeness. Leaving units out one at a time repeats none.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), ch. 11.

    Args:
        count: Units, at least three.
        statistic: Maps the numbers of the units that are kept, ascending, to a number.
        level: Coverage aimed at.

    Returns:
        The statistic of all units with its interval.

    Raises:
        InputError: if there are fewer than three units, or the statistic is not finite.
    """
    from scipy.stats import t

    if count < 3:
        raise InputError("count", count, "must be three or more units")
    every = list(range(count))
    value = float(statistic(every))
    without = np.array([statistic(every[:k] + every[k + 1 :]) for k in every])
    if not (math.isfinite(value) and np.isfinite(without).all()):
        raise InputError("statistic", value, "must be finite, with any one unit left out as well")
    error = math.sqrt((count - 1) * float(without.var()))
    reach = float(t.ppf((1 + level) / 2, count - 1)) * error
    return Interval(value, value - reach, value + reach, count)


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
