import pytest
import torch

from helpers import close, draw, forward, network
from onebasin.errors import InputError
from onebasin.symmetry import Permutation, Scaling, apply, canonical_form
from onebasin.symmetry.scaling import incoming_norm

WIDTHS = (3, 6, 5, 4)
SPEC = network(WIDTHS)
HEAD = ("layers.2.weight", "layers.2.bias")
X = torch.randn(50, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("models", [None, 3])
def test_incoming_rows_get_norm_one_and_the_function_stays(models):
    state = draw(SPEC, WIDTHS, 0, models=models)
    found = canonical_form(SPEC, state)
    for group in SPEC.groups:
        norm = incoming_norm(SPEC, found.state, group)
        assert close(norm, torch.ones_like(norm), torch.float64)
    assert close(forward(found.state, X), forward(state, X), torch.float64, terms=100)
    moved = apply(found.scaling, state)
    assert all(close(moved[name], found.state[name], torch.float64) for name in state)
    assert (found.head == 1).all()


@pytest.mark.parametrize("models", [None, 3])
def test_head_gets_norm_root_of_classes_and_outputs_scale_with_it(models):
    state = draw(SPEC, WIDTHS, 0, models=models)
    found = canonical_form(SPEC, state, head=HEAD)
    weight = found.state[HEAD[0]].flatten(0 if models is None else 1)
    assert torch.allclose(weight.norm(dim=-1), torch.tensor(2.0).double(), rtol=1e-14)
    outputs = forward(state, X) * found.head.reshape(-1, 1, 1).squeeze(0 if models is None else ())
    assert close(forward(found.state, X), outputs, torch.float64, terms=100)
    assert torch.equal(forward(found.state, X).argmax(-1), forward(state, X).argmax(-1))


def test_without_its_bias_the_head_changes_the_answer():
    state = draw(SPEC, WIDTHS, 0)
    state["layers.2.weight"] *= 100
    literal = canonical_form(SPEC, state, head=HEAD[:1]).state
    assert not torch.equal(forward(literal, X).argmax(-1), forward(state, X).argmax(-1))


@pytest.mark.parametrize("seed", range(3))
def test_rescaled_networks_share_one_canonical_form(seed):
    state, generator = draw(SPEC, WIDTHS, seed), torch.Generator().manual_seed(seed)
    scaled = apply(Scaling.random(SPEC, SPEC.sizes(state), generator), state)
    mine, theirs = (canonical_form(SPEC, s, head=HEAD).state for s in (state, scaled))
    assert all(close(mine[name], theirs[name], torch.float64, terms=10) for name in state)


def test_canonical_form_commutes_with_permutations():
    state = draw(SPEC, WIDTHS, 0)
    perm = Permutation.random(SPEC, SPEC.sizes(state), torch.Generator().manual_seed(0))
    left = canonical_form(SPEC, apply(perm, state)).state
    right = apply(perm, canonical_form(SPEC, state).state)
    assert all(close(left[name], right[name], torch.float64, terms=10) for name in state)


def test_dead_units_keep_their_scale():
    state = draw(SPEC, WIDTHS, 0)
    state["layers.0.weight"][2] = 0
    found = canonical_form(SPEC, state)
    assert found.scaling.scales["hidden.0"][2] == 1
    assert close(forward(found.state, X), forward(state, X), torch.float64, terms=100)


def test_float32_stays_float32():
    state = draw(SPEC, WIDTHS, 0, dtype=torch.float32)
    found = canonical_form(SPEC, state, head=HEAD).state
    assert {t.dtype for t in found.values()} == {torch.float32}


@pytest.mark.bad_input
def test_bad_factors_and_heads_are_refused():
    good = {"hidden.0": torch.ones(6), "hidden.1": torch.ones(5)}
    for bad in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(InputError, match="positive and finite"):
            Scaling(SPEC, {**good, "hidden.1": torch.tensor([1.0, bad, 1, 1, 1])})
    state = draw(SPEC, WIDTHS, 0)
    with pytest.raises(InputError, match=r"head='layers.9.weight'.*not a tensor of the state"):
        canonical_form(SPEC, state, head=("layers.9.weight",))
    state["layers.2.weight"] *= 0
    with pytest.raises(InputError, match="all zero"):
        canonical_form(SPEC, state, head=HEAD)
