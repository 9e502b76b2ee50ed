import pytest
import torch

from helpers import close, draw, network
from onebasin.errors import InputError
from onebasin.matching import ConvergenceWarning, WeightOptions, group_similarity, weight_match
from onebasin.matching.similarity import GroupTerms, inner_product
from onebasin.symmetry import Permutation, Spec, apply

WIDTHS = (4, 9, 7, 8, 3)
SPEC = network(WIDTHS)


def test_prepared_terms_are_the_plain_definition():
    ref, other = (draw(SPEC, WIDTHS, seed, models=5) for seed in (0, 1))
    element = Permutation.random(SPEC, SPEC.sizes(ref), torch.Generator().manual_seed(0), 5)
    for group in SPEC.groups:
        plain = group_similarity(SPEC, ref, other, group, element)
        terms = GroupTerms(SPEC, ref, other, group)
        for chosen in (torch.arange(5), torch.tensor([3]), torch.tensor([0, 4])):
            fast = terms.similarity(element.perms, chosen)
            assert close(fast, plain[chosen], torch.float64, terms=20)


def test_similarity_of_a_layer_is_the_formula():
    ref, other = draw(SPEC, WIDTHS, 0), draw(SPEC, WIDTHS, 1)
    element = Permutation.random(SPEC, SPEC.sizes(ref), torch.Generator().manual_seed(0))
    below, above = (element.matrices()[group] for group in ("hidden.0", "hidden.2"))
    formula = (
        ref["layers.1.weight"] @ below @ other["layers.1.weight"].T
        + ref["layers.2.weight"].T @ above @ other["layers.2.weight"]
        + torch.outer(ref["layers.1.bias"], other["layers.1.bias"])
    )
    assert close(group_similarity(SPEC, ref, other, "hidden.1", element), formula, torch.float64)


def test_a_bias_alone_decides():
    ref, other = draw(SPEC, WIDTHS, 0), draw(SPEC, WIDTHS, 1)
    flat = {n: t * 0 if "weight" in n else t for n, t in ref.items()}
    found = weight_match(SPEC, flat, other)
    for layer in range(3):  # the sum of products is largest if both are sorted alike
        moved = other[f"layers.{layer}.bias"][found.element.perms[f"hidden.{layer}"]]
        assert torch.equal(moved.argsort(), flat[f"layers.{layer}.bias"].argsort())


@pytest.mark.parametrize("seed", range(3))
def test_convolutions_with_a_shared_stage_are_matched(seed):
    """Kernels, a residual stream shared by three tensors, a norm, a folded last layer."""
    spec = Spec(
        {
            "stem": ("stream", None, None, None),
            "norm": ("stream",),
            "block.up": ("inner", "stream", None, None),
            "block.down": ("stream", "inner", None, None),
            "head": (None, "stream"),
        }
    )
    shapes = {
        "stem": (12, 3, 3, 3),
        "norm": (12,),
        "block.up": (10, 12, 3, 3),
        "block.down": (12, 10, 3, 3),
        "head": (5, 12),
    }
    generator = torch.Generator().manual_seed(seed)
    ref = {n: torch.randn(shape, generator=generator) for n, shape in shapes.items()}
    planted = Permutation.random(spec, spec.sizes(ref), generator)
    found = weight_match(spec, ref, apply(planted.inverse(), ref))
    assert all(torch.equal(found.element.perms[g], planted.perms[g]) for g in spec.groups)


def test_a_tensor_with_three_permuted_axes():
    spec = Spec({"a": ("x", None), "b": ("y", None), "c": ("z", None), "t": ("x", "y", "z", None)})
    generator = torch.Generator().manual_seed(0)
    shapes = {"a": (5, 2), "b": (6, 2), "c": (7, 2), "t": (5, 6, 7, 2)}
    ref, other = (
        {n: torch.randn(2, *shape, generator=generator).double() for n, shape in shapes.items()}
        for _ in "ab"
    )
    element = Permutation.random(spec, spec.sizes(ref), generator, 2)
    for group in spec.groups:
        fast = GroupTerms(spec, ref, other, group).similarity(element.perms, torch.arange(2))
        plain = group_similarity(spec, ref, other, group, element)
        assert close(fast, plain, torch.float64, terms=100)
    assert (weight_match(spec, ref, other).history.diff(dim=0) >= 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_a_group_on_two_axes_of_a_tensor_never_lowers_the_objective(seed):
    """A recurrent weight is quadratic in its permutation; a step counts by what it really gains."""
    spec = Spec({"in": ("units", None), "recurrent": ("units", "units"), "out": (None, "units")})
    generator = torch.Generator().manual_seed(seed)
    shapes = {"in": (9, 2), "recurrent": (9, 9), "out": (2, 9)}
    ref, other = (
        {n: torch.randn(3, *shape, generator=generator) for n, shape in shapes.items()}
        for _ in "ab"
    )
    found = weight_match(spec, ref, other)
    assert (found.history.diff(dim=0) >= 0).all()
    honest = inner_product(spec, ref, apply(found.element, other))
    assert torch.allclose(honest, found.objective, rtol=1e-12)


def test_ties_keep_the_old_permutation():
    zero = {name: t * 0 for name, t in draw(SPEC, WIDTHS, 0).items()}
    init = Permutation.random(SPEC, SPEC.sizes(zero), torch.Generator().manual_seed(0))
    found = weight_match(SPEC, zero, zero, init=init)
    assert all(torch.equal(found.element.perms[g], init.perms[g]) for g in SPEC.groups)
    assert found.sweeps == 1 and found.converged


def test_rounding_is_no_progress():
    """Networks that are all twins up to rounding: any order is as good, none is taken up."""
    ref = {name: torch.full_like(t, 1 / 3) for name, t in draw(SPEC, WIDTHS, 0).items()}
    noise = draw(SPEC, WIDTHS, 1)
    other = {name: t + 1e-15 * noise[name] for name, t in ref.items()}
    assert weight_match(SPEC, ref, other).sweeps == 1
    eager = weight_match(SPEC, ref, other, options=WeightOptions(rtol=0.0))
    assert eager.objective >= weight_match(SPEC, ref, other).objective


def test_init_is_where_it_starts_and_may_be_shared_by_a_stack():
    ref, other = (draw(SPEC, WIDTHS, seed, models=3) for seed in (0, 1))
    init = Permutation.random(SPEC, SPEC.sizes(ref), torch.Generator().manual_seed(0))
    found = weight_match(SPEC, ref, other, init=init)
    start = inner_product(SPEC, ref, apply(init, other))
    assert torch.allclose(found.history[0], start, rtol=1e-12)


def test_restarts_never_do_worse_and_are_chosen_pair_by_pair():
    ref, other = (draw(SPEC, WIDTHS, seed, models=6) for seed in (0, 1))
    runs = [
        weight_match(SPEC, ref, other, options=WeightOptions(restarts=n)).objective
        for n in (1, 2, 8)
    ]
    assert (runs[1] >= runs[0]).all() and (runs[2] >= runs[1]).all()
    assert (runs[2] > runs[0]).any()


def test_a_given_order_is_kept():
    ref, other = draw(SPEC, WIDTHS, 0), draw(SPEC, WIDTHS, 1)
    order = ("hidden.2", "hidden.0", "hidden.1")
    runs = [
        weight_match(SPEC, ref, other, seed=seed, options=WeightOptions(order=order))
        for seed in (0, 1)
    ]
    assert torch.equal(runs[0].history, runs[1].history)


def test_gradients_and_inputs_are_left_alone():
    ref, other = draw(SPEC, WIDTHS, 0), draw(SPEC, WIDTHS, 1)
    leaves = {name: t.clone().requires_grad_() for name, t in other.items()}
    found = weight_match(SPEC, ref, leaves)
    assert not found.objective.requires_grad
    assert all(torch.equal(leaves[name], other[name]) for name in other)


def test_a_network_without_hidden_units():
    spec = network((3, 2))
    state = draw(spec, (3, 2), 0)
    found = weight_match(spec, state, state)
    assert found.element.perms == {} and found.converged


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_matched_in_float64(dtype):
    ref = draw(SPEC, WIDTHS, 0, dtype=dtype)
    planted = Permutation.random(SPEC, SPEC.sizes(ref), torch.Generator().manual_seed(0))
    found = weight_match(SPEC, ref, apply(planted.inverse(), ref))
    assert found.objective.dtype == torch.float64
    assert all(torch.equal(found.element.perms[g], planted.perms[g]) for g in SPEC.groups)


def test_stopping_early_warns():
    ref, other = (draw(SPEC, WIDTHS, seed, models=4) for seed in (0, 1))
    with pytest.warns(ConvergenceWarning, match="4 of 4 alignments stopped at max_sweeps=1 "):
        found = weight_match(SPEC, ref, other, options=WeightOptions(max_sweeps=1))
    assert not found.converged.any()


@pytest.mark.bad_input
def test_bad_arguments_are_refused():
    ref, other = draw(SPEC, WIDTHS, 0), draw(SPEC, WIDTHS, 1)
    wider = draw(SPEC, (4, 9, 7, 6, 3), 0)
    far = Permutation.identity(SPEC, SPEC.sizes(wider))
    many = Permutation.identity(SPEC, SPEC.sizes(ref), 3)
    for more, words in [
        ({"options": WeightOptions(max_sweeps=0)}, r"options.max_sweeps=0.*1 or more"),
        ({"options": WeightOptions(restarts=0)}, r"options.restarts=0"),
        ({"options": WeightOptions(rtol=-1.0)}, r"options.rtol=-1.0"),
        ({"options": WeightOptions(rtol=float("nan"))}, r"options.rtol=nan"),
        ({"options": WeightOptions(order=("hidden.0",))}, "must name each group once"),
        ({"init": far}, "init=.*groups of sizes"),
        ({"init": many}, "init=.*3 models.*single or a stack of 1"),
    ]:
        with pytest.raises(InputError, match=words):
            weight_match(SPEC, ref, other, **more)
    with pytest.raises(InputError, match="shape differs"):
        weight_match(SPEC, ref, wider)
    with pytest.raises(InputError, match="not finite"):
        weight_match(SPEC, ref, {name: t / 0 for name, t in other.items()})
