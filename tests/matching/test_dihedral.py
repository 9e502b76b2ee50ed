"""Matching over permutations, signs and phase shifts."""

import itertools
import math

import pytest
import torch

from helpers import draw, forward, network
from onebasin import Siren
from onebasin.errors import InputError
from onebasin.matching import DihedralOptions, dihedral_match, measure_moments, sign_match
from onebasin.matching.dihedral import SINE_MOMENT
from onebasin.matching.signed import Scores
from onebasin.symmetry import Dihedral, Permutation, apply

OMEGA = 2.5
HALF = math.pi / OMEGA
DTYPES = [torch.float32, torch.float64]


def moved_by_planted(widths, seed, dtype, models=None):
    spec = network(widths)
    ref = draw(spec, widths, seed, models=models, dtype=dtype)
    generator = torch.Generator().manual_seed(seed)
    planted = Dihedral.random(spec, spec.sizes(ref), generator, models, omega=OMEGA)
    return spec, ref, planted, apply(planted.inverse(), ref)


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize("weighing", ["derived", "plain"])
@pytest.mark.parametrize("models", [None, 3])
@pytest.mark.parametrize("seed", range(3))
def test_planted_elements_are_recovered(seed, models, weighing, dtype):
    spec, ref, planted, other = moved_by_planted((6, 14, 17, 2), seed, dtype, models)
    options = DihedralOptions(weighing=weighing)
    found = dihedral_match(spec, ref, other, omega=OMEGA, options=options)
    for part in Dihedral.parts:
        for group, values in getattr(planted, part).items():
            assert torch.equal(getattr(found.element, part)[group].long(), values.long())
    assert found.converged.all()
    assert (found.objective.abs() < (1e-4 if dtype == torch.float32 else 1e-20)).all()


@pytest.mark.parametrize("models", [None, 2])
def test_planted_elements_are_recovered_by_measured_moments(models):
    siren = Siren(16, 2, omega=OMEGA).double()
    spec, ref, planted, other = moved_by_planted((3, 16, 16, 1), 5, torch.float64, models)
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moments = measure_moments(siren, spec, ref, x)
    found = dihedral_match(spec, ref, other, omega=OMEGA, moments=moments)
    for part in Dihedral.parts:
        for group, values in getattr(planted, part).items():
            assert torch.equal(getattr(found.element, part)[group].long(), values.long())
    assert (found.history.diff(dim=0) >= 0).all()


def test_planted_signs_are_recovered_by_signs_alone():
    spec, ref, planted, _ = moved_by_planted((6, 14, 17, 2), 0, torch.float64)
    none = {group: torch.zeros_like(shift) for group, shift in planted.shifts.items()}
    planted = Dihedral(spec, planted.perms, planted.signs, none, OMEGA)
    found = sign_match(spec, ref, apply(planted.inverse(), ref), omega=OMEGA)
    for group in spec.groups:
        assert torch.equal(found.element.perms[group], planted.perms[group])
        assert torch.equal(found.element.signs[group], planted.signs[group])
        assert not found.element.shifts[group].any()


def distance(ref, moved, moment):
    """Minus half the weighted squared distance, biases of hidden units on the circle."""
    total, last = 0.0, len(ref) // 2 - 1
    for layer in range(last + 1):
        weight = moment if layer == 0 else SINE_MOMENT
        gap = ref[f"layers.{layer}.weight"].double() - moved[f"layers.{layer}.weight"].double()
        total += weight * gap.square().sum()
        if layer < last:
            gap = ref[f"layers.{layer}.bias"].double() - moved[f"layers.{layer}.bias"].double()
            gap = (gap + HALF).remainder(2 * HALF) - HALF
            total += gap.square().sum()
    return -float(total) / 2


def every_element(spec, sizes, shifts):
    """All permutations, signs and, of each parity, one number of half periods."""
    per_group = []
    for group in spec.groups:
        units = sizes[group]
        signs = list(itertools.product((1, -1), repeat=units))
        odd = list(itertools.product((0, 1) if shifts else (0,), repeat=units))
        per_group.append(itertools.product(itertools.permutations(range(units)), signs, odd))
    for choice in itertools.product(*per_group):
        parts = [
            {g: torch.tensor(part[k]) for g, part in zip(spec.groups, choice, strict=True)}
            for k in range(3)
        ]
        yield Dihedral(spec, *parts, OMEGA)


def test_best_is_the_best_of_the_four_candidates():
    generator, units = torch.Generator().manual_seed(0), 6
    inner, outer = torch.randn(2, 1, units, units, generator=generator, dtype=torch.float64)
    near, far = torch.rand(2, 1, units, units, generator=generator, dtype=torch.float64) * HALF
    scores = Scores(inner, outer, near, far, 2.0, HALF)
    for k in range(units):
        perm = ((torch.arange(units) + k) % units)[None]
        best = scores.best().gather(-1, perm[..., None]).squeeze(-1)
        torch.testing.assert_close(best, scores.at(perm).amax(-1))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("widths", "restarts"), [((3, 3, 2), 1), ((2, 2, 2, 1), 30)])
def test_nothing_beats_it_on_tiny_networks(widths, restarts, seed):
    spec = network(widths)
    ref, other = (draw(spec, widths, seed + k) for k in (0, 50))
    best = max(
        distance(ref, apply(element, other), 0.2)
        for element in every_element(spec, spec.sizes(ref), shifts=True)
    )
    options = DihedralOptions(restarts=restarts, input_moment=0.2)
    found = dihedral_match(spec, ref, other, omega=OMEGA, options=options)
    assert float(found.objective) == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("widths", [(3, 5, 4, 2), (2, 7, 1, 3, 1)])
@pytest.mark.parametrize("match", [dihedral_match, sign_match])
def test_objective_is_the_distance_of_the_moved_network(match, widths):
    spec = network(widths)
    ref, other = (draw(spec, widths, seed) for seed in (0, 1))
    found = match(spec, ref, other, omega=OMEGA, options=DihedralOptions(input_moment=0.2))
    moved = apply(found.element, other)
    if match is sign_match:  # on the line, not on the circle
        circle = distance(ref, moved, 0.2)
        assert float(found.objective) <= circle + 1e-12
    else:
        assert float(found.objective) == pytest.approx(distance(ref, moved, 0.2), rel=1e-12)
        for group, layer in zip(spec.groups, itertools.count()):
            gap = ref[f"layers.{layer}.bias"] - moved[f"layers.{layer}.bias"]
            assert (gap.abs() <= HALF * (1 + 1e-12)).all(), group


def test_the_wider_the_group_the_closer_they_come():
    widths = (4, 12, 12, 2)
    spec = network(widths)
    ref, other = (draw(spec, widths, seed) for seed in (0, 1))
    still = Dihedral.identity(spec, spec.sizes(ref), omega=OMEGA)
    signs = sign_match(spec, ref, other, omega=OMEGA)
    whole = dihedral_match(spec, ref, other, omega=OMEGA, init=signs.element)
    assert still.models is None
    assert whole.objective > signs.objective > distance(ref, other, 1 / 3) * 4


@pytest.mark.parametrize("restarts", [1, 3])
def test_a_stack_in_pieces_is_its_members(restarts, monkeypatch):
    monkeypatch.setattr("onebasin.matching.sweeps._CHUNK_ELEMENTS", 3_000)
    widths = (5, 12, 9, 3)
    spec, options = network(widths), DihedralOptions(restarts=restarts)
    ref, other = (draw(spec, widths, seed, models=4) for seed in (0, 1))
    stacked = dihedral_match(spec, ref, other, omega=OMEGA, options=options)
    for k in range(4):
        pair = ({n: t[k] for n, t in state.items()} for state in (ref, other))
        one = dihedral_match(spec, *pair, omega=OMEGA, options=options)
        assert torch.equal(one.objective, stacked.objective[k])
        for part in Dihedral.parts:
            for group, values in getattr(one.element, part).items():
                assert torch.equal(values, getattr(stacked.element, part)[group][k])


def test_large_layers_are_updated_not_computed_anew(monkeypatch):
    widths, ends = (3, 20, 20, 20, 1), []
    spec = network(widths)
    ref, other = (draw(spec, widths, seed, models=2) for seed in (0, 1))
    for least in (1, 10**9):
        monkeypatch.setattr("onebasin.matching.similarity._UNITS_WORTH_UPDATING", least)
        ends.append(dihedral_match(spec, ref, other, omega=OMEGA))
    assert torch.allclose(ends[0].history, ends[1].history, rtol=1e-12)


def test_a_measured_match_is_better_by_its_own_measure():
    widths = (3, 24, 24, 1)
    siren, spec = Siren(24, 2, omega=OMEGA).double(), network(widths)
    ref, other = (draw(spec, widths, seed) for seed in (0, 1))
    x = torch.randn(300, 3, generator=torch.Generator().manual_seed(0)).double()
    moments = measure_moments(siren, spec, ref, x)
    plain = dihedral_match(spec, ref, other, omega=OMEGA)
    found = dihedral_match(spec, ref, other, omega=OMEGA, moments=moments, init=plain.element)
    assert found.objective > found.history[0]
    before, after = (siren.run(apply(match.element, other), x) for match in (plain, found))
    assert torch.allclose(before, after, atol=1e-9)
    # the first layer's part, computed from the data
    moved = apply(found.element, other)
    change = x @ (ref["layers.0.weight"] - moved["layers.0.weight"]).mT
    change = change + ref["layers.0.bias"] - moved["layers.0.bias"]
    assert float(change.square().mean(0).sum()) / 2 <= -float(found.objective) * (1 + 1e-9)


def test_shapes_are_refused_with_a_remedy():
    spec = network((3, 4, 1))
    ref = draw(spec, (3, 4, 1), 0)
    for options, name in (
        (DihedralOptions(restarts=0), "restarts"),
        (DihedralOptions(bias=0.0), "bias"),
        (DihedralOptions(input_moment=-1.0), "input_moment"),
        (DihedralOptions(order=("nobody",)), "order"),
    ):
        with pytest.raises(InputError, match=rf"options\.{name}"):
            dihedral_match(spec, ref, ref, omega=OMEGA, options=options)
    with pytest.raises(InputError, match="frequency"):
        dihedral_match(spec, ref, ref, omega=-1.0)
    init = Permutation.identity(spec, {"hidden.0": 5})
    with pytest.raises(InputError, match="init"):
        dihedral_match(spec, ref, ref, omega=OMEGA, init=init)
    with pytest.raises(InputError, match="moments"):
        dihedral_match(spec, ref, ref, omega=OMEGA, moments={})
    siren = Siren(4, 1, omega=OMEGA).double()
    stacked = {name: torch.stack([t, t]) for name, t in ref.items()}
    moments = measure_moments(siren, spec, stacked, torch.randn(9, 3).double())
    with pytest.raises(InputError, match="covariance"):
        dihedral_match(spec, ref, ref, omega=OMEGA, moments=moments)


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["moves", "weighing"])
def test_unknown_options_are_refused(name):
    spec = network((3, 4, 1))
    ref = draw(spec, (3, 4, 1), 0)
    with pytest.raises(InputError, match=rf"options\.{name}.*choose"):
        options = DihedralOptions(**{name: "all"})
        dihedral_match(spec, ref, ref, omega=OMEGA, options=options)


def test_networks_stay_what_they_are():
    widths = (3, 9, 9, 2)
    spec = network(widths)
    ref, other = (draw(spec, widths, seed) for seed in (0, 1))
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(1)).double()
    found = dihedral_match(spec, ref, other, omega=OMEGA)
    outputs = [
        forward(state, x, lambda y: torch.sin(OMEGA * y))
        for state in (other, apply(found.element, other))
    ]
    assert torch.allclose(*outputs, rtol=1e-10, atol=1e-10)
