"""The full symmetry of sine units."""

import math

import pytest
import torch

from helpers import close, draw, forward, network
from onebasin.errors import InputError
from onebasin.symmetry import Dihedral, Permutation, Spec, apply, canonical_sine
from onebasin.symmetry.dihedral import biases

OMEGA = 1.5
WIDTHS = (3, 6, 5, 2)
SPEC = network(WIDTHS)


def random(seed, models=None):
    sizes = {"hidden.0": 6, "hidden.1": 5}
    return Dihedral.random(SPEC, sizes, torch.Generator().manual_seed(seed), models, omega=OMEGA)


def test_one_unit_does_what_the_definition_says():
    spec, state = network((1, 1, 1)), draw(network((1, 1, 1)), (1, 1, 1), 0)
    (w, b, v, c) = (float(t) for t in state.values())
    for f in (1, -1):
        for k in (-2, -1, 0, 1, 2):
            parts = [{"hidden.0": torch.tensor([value])} for value in (0, f, k)]
            moved = apply(Dihedral(spec, *parts, OMEGA), state)
            wanted = (f * w, f * b + k * math.pi / OMEGA, f * (-1) ** k * v, c)
            assert [float(t) for t in moved.values()] == pytest.approx(wanted, rel=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_products_and_inverses_are_exact_in_normal_form(seed):
    p, q, r = (random(seed + k) for k in (0, 10, 20))
    for left, right in (((p @ q) @ r, p @ (q @ r)), (p @ p.inverse(), q.inverse() @ q)):
        for part in Dihedral.parts:
            for group in SPEC.groups:
                assert torch.equal(getattr(left, part)[group], getattr(right, part)[group])


def test_permutations_are_a_subgroup():
    sizes = {"hidden.0": 6, "hidden.1": 5}
    p, q = (Permutation.random(SPEC, sizes, torch.Generator().manual_seed(k)) for k in (0, 1))
    product = Dihedral.of(p, omega=OMEGA) @ Dihedral.of(q, omega=OMEGA)
    assert all(torch.equal(product.perms[g], (p @ q).perms[g]) for g in SPEC.groups)
    state = draw(SPEC, WIDTHS, 0)
    plain, wide = apply(p, state), apply(Dihedral.of(p, omega=OMEGA), state)
    assert all(torch.equal(plain[name], wide[name]) for name in state)


@pytest.mark.parametrize("models", [None, 3])
@pytest.mark.parametrize("seed", range(3))
def test_equivalent_networks_share_one_canonical_form(seed, models):
    state = draw(SPEC, WIDTHS, seed, models=models)
    mine = canonical_sine(SPEC, state, omega=OMEGA)
    theirs = canonical_sine(SPEC, apply(random(seed, models), state), omega=OMEGA)
    for name in state:
        assert close(mine.state[name], theirs.state[name], torch.float64, terms=10)
        assert torch.equal(mine.state[name], apply(mine.element, state)[name])
    for name in biases(SPEC).values():
        phase = OMEGA * mine.state[name]
        assert (phase.diff() >= 0).all()
        assert (phase >= -1e-12).all() and (phase <= math.pi / 2 + 1e-12).all()
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)).double()
    outputs = [forward(s, x, lambda y: torch.sin(OMEGA * y)) for s in (state, mine.state)]
    assert close(*outputs, torch.float64, terms=200)


def test_canonical_forms_of_different_networks_differ():
    mine, theirs = (
        canonical_sine(SPEC, draw(SPEC, WIDTHS, seed), omega=OMEGA).state for seed in (0, 1)
    )
    assert not torch.allclose(mine["layers.0.weight"], theirs["layers.0.weight"])


def test_large_shifts_lose_no_more_than_rounding():
    state = draw(SPEC, WIDTHS, 0, dtype=torch.float32)
    far = Dihedral.random(
        SPEC,
        SPEC.sizes(state),
        torch.Generator().manual_seed(0),
        omega=OMEGA,
        farthest=1000,
    )
    moved = apply(far, {name: t.double() for name, t in state.items()})
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)).double()
    wide = {name: t.double() for name, t in state.items()}
    outputs = [forward(s, x, lambda y: torch.sin(OMEGA * y)) for s in (wide, moved)]
    assert torch.allclose(*outputs, atol=1e-10)


@pytest.mark.bad_input
def test_what_is_no_element_is_refused():
    p = random(0)
    with pytest.raises(InputError, match="1 or -1"):
        Dihedral(SPEC, p.perms, {g: 0 * s for g, s in p.signs.items()}, p.shifts, OMEGA)
    with pytest.raises(InputError, match="integers"):
        Dihedral(SPEC, p.perms, p.signs, {g: s / 2 for g, s in p.shifts.items()}, OMEGA)
    with pytest.raises(InputError, match="frequency"):
        Dihedral(SPEC, p.perms, p.signs, p.shifts, 0.0)
    with pytest.raises(InputError, match="omega"):
        p.compose(Dihedral(SPEC, p.perms, p.signs, p.shifts, 2 * OMEGA))


def test_units_without_a_bias_have_no_phase():
    for axes in (
        {"w": ("g", None), "v": (None, "g")},
        {"w": ("g", None), "b": ("g",), "scale": ("g",), "v": (None, "g")},
    ):
        with pytest.raises(InputError, match="one bias"):
            biases(Spec(axes))
