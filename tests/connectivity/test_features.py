"""Curves with known peaks, bells and dips."""

from __future__ import annotations

import pytest
import torch

from onebasin.connectivity import features
from onebasin.connectivity.features import dip, likeness, one_peak, two_peaks
from onebasin.errors import InputError

PLACES = torch.linspace(0, 1, 25, dtype=torch.float64)


def _bumps(*centres: int, width: float = 1.5):
    index = torch.arange(25, dtype=torch.float64)
    return 0.3 + sum(torch.exp(-(((index - c) / width) ** 2)) for c in centres)


def test_two_peaks_are_counted_and_placed():
    curves = torch.stack(
        [_bumps(3, 21), _bumps(6, 18), _bumps(3, 20), _bumps(2, 21), _bumps(7, 18), _bumps(3)]
    )
    assert two_peaks(curves).tolist() == [True, True, True, False, False, False]
    assert two_peaks(_bumps(3, 12, 21)[None]).tolist() == [False]
    assert two_peaks(_bumps(2, 22)[None], near=(1, 4)).tolist() == [True]


def test_one_peak_is_a_bell_near_the_middle():
    curves = torch.stack([_bumps(12), _bumps(9), _bumps(8), _bumps(12, 18), torch.ones(25)])
    assert one_peak(curves).tolist() == [True, True, False, False, False]


def test_the_dip_is_the_lowest_point_between_the_peaks():
    curve = _bumps(4, 20)
    assert dip(curve)[0] == curve[4:21].min() == curve[12]
    assert torch.isnan(dip(_bumps(12))[0])
    lifted = curve + PLACES * 0.5
    assert dip(lifted)[0] > dip(curve)[0]


def test_likeness_is_a_correlation():
    a, b = _bumps(3, 21), _bumps(12)
    assert likeness(a, 2 * a + 1) == pytest.approx(1)
    assert likeness(a, -a) == pytest.approx(-1)
    assert likeness(a, b) == pytest.approx(float(likeness(b, a)))
    expected = torch.corrcoef(torch.stack([a, b]))[0, 1]
    assert likeness(a, b) == pytest.approx(float(expected))


def test_windows_and_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="near"):
        two_peaks(_bumps(3, 21)[None], near=(0, 5))
    with pytest.raises(InputError, match="near"):
        two_peaks(_bumps(3, 21)[None], near=(3, 13))
    with pytest.raises(InputError, match="other"):
        likeness(torch.ones(25), torch.ones(24))


def test_the_dip_is_where_the_loss_is_lowest_between_peaks():
    curve = torch.tensor([0.0, 2.0, 1.0, 0.5, 3.0, 0.0])
    assert features.dip_at(curve) == [3]
    assert float(features.dip(curve)) == 0.5
    assert features.dip_at(torch.tensor([0.0, 1.0, 0.0])) == [None]


def test_rank_likeness_is_spearman_s():
    from scipy.stats import spearmanr

    draw = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 3, 11, generator=draw).round(decimals=1)
    found = features.rank_likeness(first, second)
    for k in range(3):
        assert found[k] == pytest.approx(spearmanr(first[k], second[k]).statistic)


def test_rank_likeness_puts_infinite_values_last_and_alike():
    ends = torch.tensor([1.0, float("inf"), float("inf"), 0.0])
    assert features.rank_likeness(ends, torch.tensor([2.0, 7.0, 7.0, 1.0])) == pytest.approx(1)
    assert features.rank_likeness(ends, torch.full((4,), 3.0)).isnan()
    with pytest.raises(InputError, match="NaN"):
        features.rank_likeness(ends, torch.full((4,), float("nan")))
