import pytest
import torch

from helpers import close, draw, network
from onebasin.errors import InputError
from onebasin.matching import WeightOptions, weight_match
from onebasin.merging import ManyOptions, merge_many
from onebasin.symmetry import Permutation, apply

WIDTHS = (4, 9, 7, 3)
SPEC = network(WIDTHS)


def pairwise(states):
    flat = torch.cat(
        [states[name].double().flatten(1) for name in SPEC.axes if "2.bias" not in name], 1
    )
    gram = flat @ flat.T
    return (gram.sum() - gram.trace()) / 2


@pytest.mark.parametrize("models", [2, 3, 6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_sum_of_pairwise_inner_products_never_falls_and_it_ends(models, dtype):
    states = draw(SPEC, WIDTHS, 0, models=models, dtype=dtype)
    found = merge_many(SPEC, states)
    assert found.converged and found.rounds >= 2
    assert len(found.history) == 1 + models * found.rounds
    scale = sum(t.double().square().sum() for t in states.values())
    assert (found.history.diff() >= -1e-13 * scale).all()
    assert found.history[-1] > found.history[0]
    moved = apply(found.element, states)
    assert found.history[0].item() == pytest.approx(pairwise(states).item(), rel=1e-9)
    assert found.history[-1].item() == pytest.approx(pairwise(moved).item(), rel=1e-9)
    mean = {name: t.double().mean(0) for name, t in moved.items()}
    assert all(close(found.state[name].double(), mean[name], dtype) for name in mean)
    assert {t.dtype for t in found.state.values()} == {dtype}


def test_at_the_end_no_network_can_be_aligned_better():
    states = draw(SPEC, WIDTHS, 1, models=4)
    moved = apply(merge_many(SPEC, states).element, states)
    for k in range(4):
        mean = {n: (t.sum(0) - t[k]) / 3 for n, t in moved.items()}
        step = weight_match(SPEC, mean, {n: t[k] for n, t in moved.items()})
        assert step.sweeps == 1


def test_relabelled_copies_become_one_network():
    widths = (12, 24, 20, 3)
    spec = network(widths)
    one = draw(spec, widths, 0)
    copies = {name: t.expand(5, *t.shape) for name, t in one.items()}
    planted = Permutation.random(spec, spec.sizes(one), torch.Generator().manual_seed(0), 5)
    found = merge_many(spec, apply(planted, copies))
    moved = apply(found.element, apply(planted, copies))
    assert all(
        close(moved[name][k], moved[name][0], torch.float64) for name in moved for k in range(5)
    )


def test_the_seed_decides_the_order():
    states = draw(SPEC, WIDTHS, 2, models=5)
    first, again, other = (merge_many(SPEC, states, seed=seed).history for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_limits():
    states = draw(SPEC, WIDTHS, 0, models=3)
    found = merge_many(SPEC, states, options=ManyOptions(max_rounds=1))
    assert found.rounds == 1 and not found.converged
    found = merge_many(SPEC, states, options=ManyOptions(weight=WeightOptions(restarts=2)))
    assert found.converged


@pytest.mark.bad_input
def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="two or more"):
        merge_many(SPEC, draw(SPEC, WIDTHS, 0, models=1))
    with pytest.raises(InputError, match="two or more"):
        merge_many(SPEC, draw(SPEC, WIDTHS, 0))
    with pytest.raises(InputError, match="max_rounds=0"):
        merge_many(SPEC, draw(SPEC, WIDTHS, 0, models=2), options=ManyOptions(max_rounds=0))
    bad = draw(SPEC, WIDTHS, 0, models=2)
    bad["layers.0.bias"][0, 0] = float("nan")
    with pytest.raises(InputError, match=r"states\['layers.0.bias'\].*not finite"):
        merge_many(SPEC, bad)
