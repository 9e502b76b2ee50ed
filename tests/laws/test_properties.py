"""Laws on networks nobody chose: sizes, seeds and stacks drawn by hypothesis."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from helpers import draw, forward, network
from onebasin.connectivity import auc, barrier, excess, mean_barrier, peaks
from onebasin.matching import brute_force, solve, weight_match
from onebasin.matching.assignment import value
from onebasin.matching.similarity import inner_product
from onebasin.symmetry import Permutation, Scaling, apply, canonical_form

widths = some.lists(some.integers(1, 7), min_size=2, max_size=5).map(tuple)
seeds = some.integers(0, 2**31)
models = some.one_of(some.none(), some.integers(1, 3))
curves = some.lists(some.floats(-1e6, 1e6), min_size=2, max_size=30).map(
    lambda values: torch.tensor(values, dtype=torch.float64)
)
quick = settings(max_examples=25, deadline=None, derandomize=True)


@quick
@given(widths, seeds, models)
def test_every_element_keeps_the_function(widths, seed, models):
    spec = network(widths)
    state = draw(spec, widths, seed, models=models)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(5, widths[0], generator=generator, dtype=torch.float64)
    before = forward(state, x)
    for kind in (Permutation, Scaling):
        moved = apply(kind.random(spec, spec.sizes(state), generator, models), state)
        assert torch.allclose(forward(moved, x), before, rtol=1e-9, atol=1e-9)
    found = canonical_form(spec, state)
    assert torch.allclose(forward(found.state, x), before, rtol=1e-9, atol=1e-9)


@quick
@given(widths, seeds, models)
def test_weight_matching_never_loses_and_always_ends(widths, seed, models):
    spec = network(widths)
    ref, other = (draw(spec, widths, seed + k, models=models) for k in (0, 1))
    found = weight_match(spec, ref, other)
    assert found.converged.all()
    assert (found.history.diff(dim=0) >= 0).all()
    honest = inner_product(spec, ref, apply(found.element, other))
    assert torch.allclose(honest, found.objective, rtol=1e-12, atol=1e-12)


@quick
@given(some.integers(1, 6), seeds, some.sampled_from([0, 1, 2]))
def test_assignments_are_the_best_of_all(units, seed, digits):
    generator = torch.Generator().manual_seed(seed)
    similarity = torch.randn(2, units, units, generator=generator, dtype=torch.float64)
    similarity = similarity.round(decimals=digits)  # ties
    best = value(similarity, brute_force(similarity))
    assert torch.allclose(value(similarity, solve(similarity)), best, rtol=1e-12, atol=1e-12)


@quick
@given(curves)
def test_barriers_of_any_curve(loss):
    scale = float(loss.abs().max()) + 1e-300
    assert barrier(loss) >= 0
    assert excess(loss)[0] == 0 and excess(loss)[-1] == 0
    assert auc(loss, clip=True) >= 0 and auc(loss) <= barrier(loss) + 1e-9 * scale
    assert mean_barrier(loss) >= -1e-9 * scale
    back = loss.flip(-1)
    assert abs(barrier(back) - barrier(loss)) <= 1e-9 * scale
    assert abs(auc(back) - auc(loss)) <= 1e-9 * scale
    (found,) = peaks(loss)
    assert all(0 < k < len(loss) - 1 for k in found)
