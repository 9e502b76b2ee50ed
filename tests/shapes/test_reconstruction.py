"""Clouds from fields: an analytic sphere, a field without surface, budgets, independence."""

from __future__ import annotations

import time
from dataclasses import replace

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


def _closed(field):
    """A field that remembers how many points it was asked for at most in one call."""
    largest = [0]

    def asked(x, active):
        largest[0] = max(largest[0], x.shape[0] * x.shape[1])
        return field(x, active)

    return asked, largest


def test_pieces_bound_the_work_and_do_not_change_the_clouds():
    whole = search(_spheres(0.3, 0.8, 0.5), _streams(3), OPTIONS)
    field, largest = _closed(_spheres(0.3, 0.8, 0.5))
    found = search(field, _streams(3), OPTIONS, rows=100)
    assert largest[0] <= 100
    for mine, theirs in zip(found.clouds, whole.clouds, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)


def test_networks_together_equal_networks_alone():
    network = Siren(16, 1)
    states = initialise(network, [0, 1, 2])
    options = SearchOptions(points=40, candidates=512, rounds=6, on=0.05, near=0.06)
    together = reconstruct(network, states, _streams(3), options)
    assert max(len(cloud) for cloud in together.clouds) > 0
    for k in range(3):
        one = {name: tensor[k : k + 1] for name, tensor in states.items()}
        alone = reconstruct(network, one, [stream("candidates", k)], options)
        assert alone.rounds[0] == together.rounds[k]
        assert torch.allclose(alone.clouds[0], together.clouds[k], atol=1e-3)


def test_a_limit_of_walkers_spares_work_but_fills_the_quota():
    options = SearchOptions(points=600, candidates=2048, walkers=50)
    found = search(_spheres(0.5), _streams(1), options)
    assert found.complete.all() and found.rounds[0] == 600 / 50
    assert (found.clouds[0].norm(dim=1) - 0.5).abs().max() < 2e-3


def test_hopeless_fields_are_given_up_early_and_others_are_not():
    def half(x, active):
        sphere = _spheres(0.5)(x, torch.zeros_like(active))
        return torch.where((active == 0)[:, None], sphere, sphere * 0 - 9.0)

    options = SearchOptions(points=200, candidates=1024, rounds=40, hopeless=1e-3)
    found = search(half, _streams(2), options)
    patient = search(half, _streams(2), replace(options, hopeless=0.0))
    assert found.complete.tolist() == patient.complete.tolist() == [True, False]
    assert torch.equal(found.clouds[0], patient.clouds[0])
    # Five points a round are needed: after two rounds exp(-10) is the chance of none so far.
    assert found.rounds[1] == 2 and patient.rounds[1] == 40


def test_impossible_budgets_are_refused():
    with pytest.raises(InputError, match="hopeless"):
        SearchOptions(hopeless=1.0)
    with pytest.raises(InputError):
        SearchOptions(walkers=0)
    with pytest.raises(InputError):
        SearchOptions(points=0)
    with pytest.raises(InputError):
        SearchOptions(rounds=0)
