"""Clouds from fields: an analytic sphere, a field without surface, budgets, independence."""

from __future__ import annotations

import time

import pytest
import torch

from onebasin.errors import InputError
from onebasin.networks import Siren, initialise
from onebasin.seeds import stream
from onebasin.shapes.reconstruction import SearchOptions, reconstruct, search

OPTIONS = SearchOptions(points=600, candidates=2048)


def _logit(distance):
    label = (1 - distance / 0.1).clamp(1e-6, 1 - 1e-6)
    return torch.logit(label)


def _spheres(*radii):
    sizes = torch.tensor(radii)

    def field(x, active):
        return _logit((x.norm(dim=-1) - sizes[active, None]).abs())

    return field


def _streams(count):
    return [stream("candidates", k) for k in range(count)]


def test_a_sphere_is_found_again():
    found = search(_spheres(0.5), _streams(1), OPTIONS)
    cloud = found.clouds[0]
    assert found.complete.all() and cloud.shape == (600, 3)
    assert (cloud.norm(dim=1) - 0.5).abs().max() < 2e-3
    assert cloud.mean(dim=0).norm() < 0.06  # all around, not on one side
    octants = (cloud > 0).long() @ torch.tensor([1, 2, 4])
    assert octants.bincount(minlength=8).min() > 40


def test_fields_searched_together_equal_fields_searched_alone():
    together = search(_spheres(0.3, 0.8), _streams(2), OPTIONS)
    for k, radius in enumerate((0.3, 0.8)):
        alone = search(_spheres(radius), [stream("candidates", k)], OPTIONS)
        assert torch.equal(alone.clouds[0], together.clouds[k])
        assert alone.rounds[0] == together.rounds[k]


def test_a_field_without_surface_ends_and_says_so():
    def empty(x, active):
        return x.sum(dim=-1) * 0 - 9.0

    options = SearchOptions(points=10, candidates=64, rounds=5)
    found = search(empty, _streams(1), options)
    assert not found.complete.any() and found.clouds[0].shape == (0, 3) and found.rounds[0] == 5


def test_the_budget_of_time_holds():
    def slow(x, active):
        time.sleep(0.02)
        return x.sum(dim=-1) * 0 - 9.0

    options = SearchOptions(points=10, candidates=16, rounds=10_000, seconds=0.1)
    start = time.monotonic()
    assert not search(slow, _streams(1), options).complete.any()
    assert time.monotonic() - start < 1.0


def test_one_field_s_failure_does_not_stop_another():
    def half(x, active):
        sphere = _spheres(0.5)(x, torch.zeros_like(active))
        return torch.where((active == 0)[:, None], sphere, sphere * 0 - 9.0)

    options = SearchOptions(points=200, candidates=1024, rounds=20)
    found = search(half, _streams(2), options)
    assert found.complete.tolist() == [True, False]


def test_networks_are_searched_as_fields():
    network = Siren(8, 1)
    states = initialise(network, [0, 1])
    options = SearchOptions(points=20, candidates=256, rounds=4)
    found = reconstruct(network, states, _streams(2), options)
    assert len(found.clouds) == 2 and all(len(cloud) <= 20 for cloud in found.clouds)
    with pytest.raises(InputError, match="generators"):
        reconstruct(network, states, _streams(1), options)


def test_impossible_budgets_are_refused():
    with pytest.raises(InputError):
        SearchOptions(points=0)
    with pytest.raises(InputError):
        SearchOptions(rounds=0)
