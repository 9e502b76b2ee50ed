"""The law table: what every registered matcher must do, in every precision and odd size."""

import inspect
import warnings

import pytest
import torch

from helpers import close, draw, forward, network, tolerance
from onebasin.matching import (
    ConvergenceWarning,
    StraightThroughOptions,
    WeightOptions,
    brute_force,
    group_similarity,
    weight_match,
)
from onebasin.matching.assignment import value
from onebasin.matching.exhaustive import group_elements
from onebasin.matching.similarity import inner_product
from onebasin.networks import Mlp
from onebasin.registry import matchers
from onebasin.symmetry import Permutation, apply

METHODS = sorted(matchers())
ALIGNING = [name for name in METHODS if matchers()[name].cost != "free"]
WIDTHS = [(3, 1, 1, 2), (4, 5, 2), (2, 7, 3, 5, 1), (6, 16, 16, 3), (1, 2, 1)]
OMEGA = 2.5  # of the sines that some matchers are for
SINES = {
    name for name in METHODS if "omega" in inspect.signature(matchers()[name].match).parameters
}
DTYPES = [torch.float32, torch.float64]
ODD = ["plain", "twin units", "zero rows", "all zero"]

every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
every_method = pytest.mark.parametrize("name", METHODS)
every_aligning = pytest.mark.parametrize("name", ALIGNING)
every_width = pytest.mark.parametrize("widths", WIDTHS, ids=lambda w: "-".join(map(str, w)))


def run(name, widths, ref, other, **more):
    """Call a matcher with whatever its signature asks for."""
    match = matchers()[name].match
    first = next(iter(ref.values()))
    generator = torch.Generator().manual_seed(7)
    inputs = torch.randn(64, widths[0], generator=generator).to(first.dtype)
    targets = torch.randn(64, widths[-1], generator=generator).to(first.dtype)
    known = {"network": Mlp(widths, "tanh"), "data": inputs, "omega": OMEGA, **more}
    wanted = inspect.signature(match).parameters
    if "loss" in wanted:  # it learns: two passes over two batches
        known |= {
            "data": (known["data"], targets.to(known["data"].device)),
            "loss": torch.nn.functional.mse_loss,
        }
        known["options"] = StraightThroughOptions(epochs=2, batch=32)
    with warnings.catch_warnings():
        if "loss" in wanted:
            warnings.simplefilter("ignore", ConvergenceWarning)
        return match(network(widths), ref, other, **{k: v for k, v in known.items() if k in wanted})


def make(widths, seed, dtype, kind="plain", models=None):
    """Weights, with the last two units of every layer made twins, or the first one dead."""
    spec = network(widths)
    state = draw(spec, widths, seed, models=models, dtype=dtype)
    for name, on in spec.axes.items():
        for axis, group in enumerate(on):
            place = axis - len(on)
            if group is not None and kind == "twin units":
                state[name].select(place, -1).copy_(state[name].select(place, 0))
            if group is not None and kind == "zero rows":
                state[name].select(place, 0).zero_()
        if kind == "all zero":
            state[name].zero_()
    return state


@every_dtype
@every_width
@pytest.mark.parametrize("kind", ODD)
@every_method
def test_function_kept(name, kind, widths, dtype):
    ref, other = make(widths, 0, dtype, kind), make(widths, 1, dtype, kind)
    found = run(name, widths, ref, other)
    x = torch.randn(20, widths[0], generator=torch.Generator().manual_seed(2)).to(dtype)
    activation = sine if name in SINES else torch.relu
    before, after = (forward(s, x, activation) for s in (other, apply(found.element, other)))
    # a sine of gain 2.5 between layers of Gaussian weights passes a rounding on enlarged
    assert close(before, after, dtype, terms=1000 if name in SINES else 100)


def sine(y):
    return torch.sin(OMEGA * y)


@every_dtype
@pytest.mark.parametrize("seed", range(4))
@every_aligning
def test_planted_permutation_recovered(name, seed, dtype):
    widths = (12, 24, 20, 3)
    spec, ref = network(widths), make(widths, seed, dtype)
    planted = Permutation.random(spec, spec.sizes(ref), torch.Generator().manual_seed(seed))
    found = run(name, widths, ref, apply(planted.inverse(), ref))
    assert all(
        torch.equal(found.element.perms[group], planted.perms[group]) for group in planted.perms
    )
    assert found.converged


@every_dtype
@every_width
@pytest.mark.parametrize("kind", ODD)
def test_weight_matching_ends_where_no_layer_can_improve(kind, widths, dtype, similarity):
    spec = network(widths)
    ref, other = make(widths, 3, dtype, kind), make(widths, 4, dtype, kind)
    found = weight_match(spec, ref, other)
    for group in spec.groups:
        similarity = group_similarity(spec, ref, other, group, found.element)
        if similarity.shape[-1] > 6:
            continue
        best = value(similarity, brute_force(similarity))
        now = value(similarity, found.element.perms[group])
        assert best - now <= tolerance(torch.float64) * similarity.abs().sum()


@pytest.mark.parametrize("seed", range(5))
def test_one_hidden_layer_is_solved_exactly(seed):
    widths = (3, 5, 2)
    spec, ref, other = network(widths), make(widths, seed, torch.float64), None
    other = make(widths, seed + 100, torch.float64)
    assert _gap(spec, ref, other, weight_match(spec, ref, other)) <= 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_restarts_find_the_best_of_a_tiny_network(seed):
    widths = (2, 4, 3, 2)
    spec, ref = network(widths), make(widths, seed, torch.float64)
    other = make(widths, seed + 100, torch.float64)
    one = _gap(spec, ref, other, weight_match(spec, ref, other))
    many = weight_match(spec, ref, other, options=WeightOptions(restarts=40))
    assert -1e-12 <= _gap(spec, ref, other, many) <= 1e-12
    assert one >= -1e-12


def _gap(spec, ref, other, found):
    every = group_elements(spec, spec.sizes(ref))
    stack = {name: tensor.expand(every.models, *tensor.shape) for name, tensor in other.items()}
    wide = {name: tensor.expand(every.models, *tensor.shape) for name, tensor in ref.items()}
    return float(inner_product(spec, wide, apply(every, stack)).max() - found.objective)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("objective", ["least_squares", "correlation"])
@pytest.mark.parametrize("at", ["pre", "post"])
def test_activation_matching_is_the_best_of_all(at, objective, seed):
    from onebasin.matching import ActivationOptions
    from onebasin.networks.population import call

    widths = (3, 5, 4, 2)
    ref, other = make(widths, seed, torch.float64), make(widths, seed + 9, torch.float64)
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    options = ActivationOptions(objective=objective, at=at, batch=7)
    found = run("activation", widths, ref, other, data=x, network=Mlp(widths), options=options)
    seen = [call(Mlp(widths), state, x, capture=at)[1] for state in (ref, other)]
    total = 0.0
    for group, perm in found.element.perms.items():
        mine, theirs = (side[group] for side in seen)
        if objective == "correlation":
            mine, theirs = (_standardised(side) for side in (mine, theirs))
        similarity = mine.T @ theirs / len(x)
        best = brute_force(similarity)
        assert torch.equal(perm, best)
        total += float(value(similarity, best))
    assert found.objective.item() == pytest.approx(total, rel=1e-9)


def _standardised(x):
    centred = x - x.mean(0)
    scale = centred.square().mean(0).sqrt()
    return torch.where(scale > 1e-12, centred / scale, 0.0)


@every_dtype
@every_width
@pytest.mark.parametrize("kind", ODD)
@every_method
def test_objective_never_falls_and_is_what_it_says(name, kind, widths, dtype):
    ref, other = make(widths, 5, dtype, kind), make(widths, 6, dtype, kind)
    found = run(name, widths, ref, other)
    assert (found.history.diff(dim=0) >= 0).all()
    assert torch.equal(found.history[-1], found.objective)
    assert found.objective.dtype == torch.float64
    if name in ("none", "weight"):
        honest = inner_product(network(widths), ref, apply(found.element, other))
        scale = inner_product(network(widths), ref, ref) + 1
        assert abs(honest - found.objective) <= 1e-12 * scale


def test_history_is_the_objective_after_each_sweep():
    widths = (6, 16, 16, 3)
    spec, ref = network(widths), make(widths, 0, torch.float64)
    other = make(widths, 1, torch.float64)
    whole = weight_match(spec, ref, other)
    assert whole.sweeps >= 3
    assert len(whole.history) == whole.sweeps + 1
    for sweeps in range(1, int(whole.sweeps)):
        with pytest.warns(UserWarning, match="stopped at max_sweeps"):
            part = weight_match(spec, ref, other, options=WeightOptions(max_sweeps=sweeps))
        honest = inner_product(spec, ref, apply(part.element, other))
        assert honest.item() == pytest.approx(whole.history[sweeps].item(), rel=1e-12)
        assert not part.converged


@every_dtype
@every_width
@every_aligning
def test_relabelling_the_inputs_relabels_the_answer(name, widths, dtype):
    spec = network(widths)
    ref, other = make(widths, 7, dtype), make(widths, 8, dtype)
    sizes, generator = spec.sizes(ref), torch.Generator().manual_seed(0)
    left, right, init = (Permutation.random(spec, sizes, generator) for _ in range(3))
    plain = run(name, widths, ref, other, init=init)
    moved = run(
        name, widths, apply(left, ref), apply(right, other), init=left @ init @ right.inverse()
    )
    assert moved.objective.item() == pytest.approx(plain.objective.item(), rel=1e-5, abs=1e-6)
    expected = apply(left, apply(plain.element, other))
    result = apply(moved.element, apply(right, other))
    assert all(torch.equal(result[key], expected[key]) for key in expected)


@every_dtype
@pytest.mark.parametrize("kind", ["plain", "twin units"])
@every_width
@every_method
def test_a_stack_is_its_members(name, widths, kind, dtype):
    ref = make(widths, 10, dtype, kind, models=5)
    other = make(widths, 11, dtype, kind, models=5)
    stacked = run(name, widths, ref, other)
    for k in range(5):
        pair = [{n: t[k] for n, t in state.items()} for state in (ref, other)]
        one = run(name, widths, *pair)
        moved = [apply(element, pair[1]) for element in (one.element, stacked.element.select(k))]
        assert all(torch.equal(moved[0][key], moved[1][key]) for key in moved[0])  # twins may swap
        rough = dtype == torch.float32 and matchers()[name].cost == "training"  # a float32 loss
        rel = 1e-5 if rough else 1e-9
        assert one.objective.item() == pytest.approx(stacked.objective[k].item(), rel=rel)
        assert (one.sweeps, one.converged) == (stacked.sweeps[k], stacked.converged[k])


@pytest.fixture(params=["anew", "updated"])
def similarity(request, monkeypatch):
    """Small similarities are computed anew, large ones updated: here each in both ways."""
    least = 1 if request.param == "updated" else 10**9
    monkeypatch.setattr("onebasin.matching.similarity._UNITS_WORTH_UPDATING", least)


@pytest.mark.parametrize("seed", range(4))
def test_updated_similarities_lead_to_the_same_end(seed, monkeypatch):
    spec = network((6, 16, 16, 3))
    ref, other = (make((6, 16, 16, 3), s, torch.float64, models=5) for s in (seed, seed + 9))
    ends = []
    for least in (1, 10**9):
        monkeypatch.setattr("onebasin.matching.similarity._UNITS_WORTH_UPDATING", least)
        ends.append(weight_match(spec, ref, other, options=WeightOptions(restarts=3)))
    assert all(torch.equal(ends[0].element.perms[g], ends[1].element.perms[g]) for g in spec.groups)
    assert torch.allclose(ends[0].history, ends[1].history, rtol=1e-13, atol=1e-13)
    assert torch.equal(ends[0].sweeps, ends[1].sweeps)


@pytest.mark.parametrize("restarts", [1, 3])
@pytest.mark.parametrize("chunked", [False, True])
def test_weight_matching_of_a_stack_is_exact(chunked, restarts, similarity, monkeypatch):
    if chunked:
        monkeypatch.setattr("onebasin.matching.sweeps._CHUNK_ELEMENTS", 2_000)
    widths = (5, 12, 9, 3)
    spec, options = network(widths), WeightOptions(restarts=restarts)
    ref, other = (make(widths, seed, torch.float32, models=7) for seed in (0, 1))
    stacked = weight_match(spec, ref, other, seed=3, options=options)
    for k in range(7):
        pair = ({n: t[k] for n, t in state.items()} for state in (ref, other))
        one = weight_match(spec, *pair, seed=3, options=options)
        assert torch.equal(one.objective, stacked.objective[k])
        assert torch.equal(one.history, stacked.history[: len(one.history), k])
        assert all(
            torch.equal(p, stacked.element.perms[g][k]) for g, p in one.element.perms.items()
        )


@every_dtype
@every_width
@pytest.mark.parametrize("kind", ODD)
def test_skipping_changes_nothing(kind, widths, dtype, similarity):
    spec = network(widths)
    ref, other = (make(widths, seed, dtype, kind, models=4) for seed in (12, 13))
    skip, full = (
        weight_match(spec, ref, other, options=WeightOptions(skip=skip)) for skip in (True, False)
    )
    assert torch.equal(skip.history, full.history)
    assert torch.equal(skip.sweeps, full.sweeps)
    assert all(torch.equal(skip.element.perms[g], full.element.perms[g]) for g in spec.groups)


@pytest.mark.parametrize("skip", [True, False])
def test_every_order_visits_every_layer(skip, monkeypatch):
    from onebasin.matching import descent, nested

    widths = (4, 6, 5, 7, 2)
    spec, solved = network(widths), []
    ref, other = make(widths, 0, torch.float64), make(widths, 1, torch.float64)
    solve = nested.solve
    monkeypatch.setattr(nested, "solve", lambda s: solved.append(s.shape[-1]) or solve(s))
    found = weight_match(spec, ref, other, options=WeightOptions(skip=skip))
    assert sorted(solved[:3]) == [5, 6, 7]
    if not skip:
        sweeps = [sorted(solved[k : k + 3]) for k in range(0, len(solved), 3)]
        assert sweeps == [[5, 6, 7]] * int(found.sweeps)
    orders = descent.sweep_orders(spec, WeightOptions(), 0, 0)
    seen = {next(orders) for _ in range(100)}
    assert all(sorted(order) == sorted(spec.families) for order in seen)
    assert len(seen) == 6  # all orders of three groups occur


def test_seed_decides_the_order():
    from onebasin.matching.descent import sweep_orders

    spec = network((4,) * 9)
    first, again, other = (sweep_orders(spec, WeightOptions(), seed, 0) for seed in (0, 0, 1))
    assert [next(first) for _ in range(5)] == [next(again) for _ in range(5)]
    assert [next(sweep_orders(spec, WeightOptions(), 0, 0))] != [next(other)]
