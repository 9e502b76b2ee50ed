"""Bootstrap intervals: their coverage, their clusters, their repeatability."""

from __future__ import annotations

import math

import numpy as np
import pytest

from onebasin.errors import InputError
from onebasin.intervals import bootstrap, jackknife
from onebasin.records import Metric


def test_equal_input_gives_equal_interval_and_order_of_groups_does_not_matter():
    values = [0.3, 0.1, 0.7, 0.2]
    assert bootstrap(values) == bootstrap(values)
    one = bootstrap(values, ["a", "a", "b", "b"])
    two = bootstrap(values, [5, 5, 2, 2])
    assert one == two


def test_value_is_the_exact_mean_and_lies_inside():
    values = [1e16, 1.0, -1e16]
    interval = bootstrap(values)
    assert interval.value == math.fsum(values) / 3
    assert interval.lo <= interval.value <= interval.hi and interval.n == 3


def test_one_unit_gives_a_point():
    assert bootstrap([0.5]).lo == bootstrap([0.5]).hi == 0.5
    same = bootstrap([0.2, 0.4], ["a", "a"])
    assert (same.lo, same.hi, same.n) == (same.value, same.value, 1)


def test_groups_widen_the_interval_of_dependent_values():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=8)
    values = np.repeat(centres, 20) + 0.01 * rng.normal(size=160)
    groups = list(np.repeat(np.arange(8), 20))
    alone, clustered = bootstrap(values), bootstrap(values, groups)
    assert clustered.n == 8 and alone.n == 160
    assert clustered.hi - clustered.lo > 3 * (alone.hi - alone.lo)


def test_coverage_of_the_mean_is_near_its_level():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(300):
        interval = bootstrap(rng.normal(size=30), samples=500)
        hits += interval.lo <= 0 <= interval.hi
    assert 0.88 <= hits / 300 <= 0.98


def test_unequal_groups_weigh_by_their_size():
    interval = bootstrap([0.0, 0.0, 0.0, 4.0], ["a", "a", "a", "b"])
    assert interval.value == 1.0 and (interval.lo, interval.hi) == (0.0, 4.0)


def test_any_statistic_and_its_agreement_with_the_mean():
    values = np.random.default_rng(2).normal(size=12)
    mean = bootstrap(values)
    slow = bootstrap(values, statistic=lambda sample: float(np.mean(sample)))
    assert np.allclose([mean.lo, mean.hi], [slow.lo, slow.hi], rtol=1e-12)
    assert bootstrap(values, statistic=np.median).value == np.median(values)


@pytest.mark.parametrize("values", [[], np.ones((2, 2)), [math.nan], [1.0, math.inf]])
def test_impossible_values_are_refused(values):
    with pytest.raises(InputError, match="finite"):
        bootstrap(values)


def test_labels_have_to_fit():
    with pytest.raises(InputError, match="label each of the 2"):
        bootstrap([1.0, 2.0], ["a"])


def test_metric_uses_its_groups():
    metric = Metric((0.0, 0.0, 1.0), "1", ("a", "a", "b"))
    assert metric.interval().n == 2


def test_jackknife_of_a_mean_is_the_interval_of_student():
    from scipy import stats

    values = np.random.default_rng(3).normal(size=7)
    found = jackknife(7, lambda rows: values[rows].mean())
    low, high = stats.t.interval(0.95, 6, loc=values.mean(), scale=stats.sem(values))
    assert found.n == 7 and found.value == values.mean()
    np.testing.assert_allclose([found.lo, found.hi], [low, high])


def test_jackknife_has_no_bias_from_repeats_where_the_bootstrap_has():
    draws = np.random.default_rng(4).normal(size=(8, 5, 40))

    def start(rows):  # share of the variance that the second axis explains; pure noise here
        kept = draws[np.asarray(rows, dtype=int)]
        away = kept - kept.mean((0, 1))
        return len(kept) * np.square(away.mean(0)).sum() / np.square(away).sum()

    chance = (5 - 1) / (8 * 5 - 1)
    resampled = bootstrap(list(range(8)), statistic=start, samples=500)
    assert resampled.lo >= resampled.value - 1e-3 and resampled.hi > 1.5 * chance
    left_out = jackknife(8, start)
    assert left_out.lo < chance < left_out.hi < resampled.hi


def test_jackknife_refuses_what_it_cannot_judge():
    with pytest.raises(InputError, match="count"):
        jackknife(2, len)
    with pytest.raises(InputError, match="statistic"):
        jackknife(3, lambda rows: float("nan") if 0 not in rows else 1.0)
