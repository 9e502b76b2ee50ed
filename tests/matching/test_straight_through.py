"""What is particular to the straight-through estimator and to the steepest permutation."""

import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

from helpers import draw, network
from onebasin.errors import InputError
from onebasin.matching import (
    StraightThroughOptions,
    WeightOptions,
    loss_gradient,
    steepest_match,
    straight_through_match,
    weight_match,
)
from onebasin.matching.exhaustive import group_elements
from onebasin.networks import READY, Mlp
from onebasin.symmetry import apply

WIDTHS = (5, 8, 7, 3)
SPEC, NET = network(WIDTHS), Mlp(WIDTHS)
X = torch.randn(60, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = torch.randint(3, (60,), generator=torch.Generator().manual_seed(1))
pytestmark = pytest.mark.filterwarnings("ignore:.*alignments stopped at epochs")


def pair(models=None, widths=WIDTHS, scale=0.6):
    states = (draw(network(widths), widths, seed, models=models) for seed in (0, 1))
    return [{name: scale * tensor for name, tensor in state.items()} for state in states]


def learn(ref, other, *, models=None, seed=0, init=None, **options):
    options = {"epochs": 4, "batch": 20, "lr": 0.1, **options}
    return straight_through_match(
        SPEC,
        ref,
        other,
        network=NET,
        data=(X, Y),
        loss=cross_entropy,
        seed=seed,
        init=init,
        options=StraightThroughOptions(**options),
    )


def midpoint(ref, moved):
    return {name: (ref[name] + moved[name]) / 2 for name in ref}


def test_the_first_step_is_weight_matching():
    ref, other = pair()
    found = learn(ref, other, epochs=1, batch=60, seed=4)
    plain = weight_match(SPEC, ref, other, seed=4)
    assert all(torch.equal(found.element.perms[g], p) for g, p in plain.element.perms.items())
    value = cross_entropy(NET.run(midpoint(ref, apply(plain.element, other)), X), Y)
    assert found.loss.tolist() == pytest.approx([value.item()])
    assert not found.converged  # one step shows nothing


@pytest.mark.parametrize("learn_what", ["end", "midpoint"])
@pytest.mark.parametrize("start", ["ref", "random"])
def test_the_element_with_the_lowest_loss_of_a_batch_is_kept(learn_what, start):
    ref, other = pair()
    found = learn(ref, other, learn=learn_what, start=start, batch=60, epochs=8)
    assert found.loss.shape == (8,) and found.history.shape == (9,)
    assert found.objective == -found.loss.min() and found.best == found.loss.argmin()
    state = midpoint(ref, apply(found.element, other))
    assert cross_entropy(NET.run(state, X), Y).item() == pytest.approx(-found.objective.item())
    assert (found.drift == 0).all()


def test_learning_beats_its_start_on_the_whole_data():
    ref, other = pair(scale=1.0)
    found = learn(ref, other, batch=60, epochs=60, lr=1.0)
    assert found.objective > found.history[0] + 0.01


def test_gradient_steps_are_those_of_sgd_with_momentum():
    """With the projection frozen, the learned weights follow torch's own optimiser."""
    from onebasin.matching.result import Match

    ref, other = pair()
    fixed, seen = weight_match(SPEC, ref, other), []

    def project(spec, target, theirs, **_):
        seen.append({name: tensor.clone() for name, tensor in target.items()})
        assert isinstance(fixed, Match) and theirs is other
        return fixed

    learn(ref, other, batch=60, epochs=4, lr=0.1, project=project)
    moved = apply(fixed.element, other)
    leaves = {name: ref[name].clone().requires_grad_() for name in SPEC.compared}
    optimiser = torch.optim.SGD(list(leaves.values()), lr=0.1, momentum=0.9)
    for step in range(4):
        assert all(torch.allclose(seen[step][n], t, atol=1e-12) for n, t in leaves.items())
        optimiser.zero_grad()
        through = {n: t + (moved[n] - t).detach() for n, t in leaves.items()}
        cross_entropy(NET.run(midpoint(ref, moved | through), X), Y).backward()
        optimiser.step()


def test_one_sweep_a_step_reports_its_drift():
    ref, other = pair()
    found = learn(ref, other, max_sweeps=1, epochs=3, start="random")
    assert found.drift.shape == (3,) and (found.drift >= 0).all() and found.sweeps == 9
    long = learn(ref, other, epochs=3)
    assert long.sweeps > 9 and (long.drift == 0).all()


def test_networks_with_buffers_and_images():
    networks = [READY["resnet50"].small().eval() for _ in "ab"]
    networks[1].redraw(torch.Generator().manual_seed(3))
    x, y = torch.randn(4, 3, 32, 32), torch.randint(10, (4,))
    spec, pair = networks[0].spec, [dict(one.state_dict()) for one in networks]
    options = StraightThroughOptions(epochs=1, batch=2)
    found = straight_through_match(
        spec, *pair, network=networks[0], data=(x, y), loss=cross_entropy, options=options
    )
    assert found.loss.shape == (2,) and found.loss.isfinite().all()
    with pytest.raises(InputError, match="training mode"):
        straight_through_match(
            spec, *pair, network=networks[0].train(), data=(x, y), loss=cross_entropy
        )


@pytest.mark.parametrize("models", [None, 2])
def test_gradient_of_the_mean_loss(models):
    ref, _ = pair(models)
    whole = loss_gradient(NET, ref, (X, Y), cross_entropy)
    parts = loss_gradient(NET, ref, (X, Y), cross_entropy, batch=7)
    assert all(torch.allclose(whole[n], parts[n], atol=1e-12) for n in whole)
    one = ref if models is None else {n: t[1] for n, t in ref.items()}
    leaves = {n: t.clone().requires_grad_() for n, t in one.items()}
    cross_entropy(NET.run(leaves, X), Y).backward()
    mine = whole if models is None else {n: t[1] for n, t in whole.items()}
    assert all(torch.allclose(mine[n], leaves[n].grad, atol=1e-12) for n in leaves)


def slopes(spec, ref, other, gradient):
    """Slope at ref towards every permutation of other."""
    every = group_elements(spec, spec.sizes(other))
    stack = {n: t.expand(every.models, *t.shape) for n, t in other.items()}
    moved = apply(every, stack)
    return sum((gradient[n] * (moved[n] - ref[n])).flatten(1).sum(1) for n in ref)


@pytest.mark.parametrize("models", [None, 2])
def test_steepest_of_two_layers_is_exact(models):
    widths = (3, 5, 2)
    spec, (ref, other) = network(widths), pair(models, widths)
    net, data = Mlp(widths), (X[:, :3], torch.randn(60, 2, dtype=torch.float64))
    gradient = loss_gradient(net, ref, data, mse_loss)
    found = steepest_match(spec, ref, other, gradient=gradient)
    one = [ref, other, gradient]
    if models:
        one = [{n: t[0] for n, t in state.items()} for state in one]
    best = slopes(spec, *one).min()
    assert found.objective.flatten()[0].item() == pytest.approx(-best.item(), rel=1e-10)


def test_slope_is_the_derivative_and_restarts_find_the_steepest():
    widths = (2, 4, 3, 2)
    spec, (ref, other) = network(widths), pair(None, widths)
    net, data = Mlp(widths, "tanh"), (X[:, :2], torch.randn(60, 2, dtype=torch.float64))
    gradient = loss_gradient(net, ref, data, mse_loss)
    options = WeightOptions(restarts=30)
    found = steepest_match(spec, ref, other, gradient=gradient, options=options)
    assert found.objective.item() == pytest.approx(-slopes(spec, ref, other, gradient).min().item())
    moved, h = apply(found.element, other), 1e-6
    near = {n: ref[n] + h * (moved[n] - ref[n]) for n in ref}
    fall = mse_loss(net.run(ref, data[0]), data[1]) - mse_loss(net.run(near, data[0]), data[1])
    assert (fall / h).item() == pytest.approx(found.objective.item(), rel=1e-3)


@pytest.mark.bad_input
def test_bad_arguments_are_refused():
    ref, other = pair()
    for options, words in [
        ({"learn": "both"}, "options.learn='both'"),
        ({"start": "other"}, "options.start='other'"),
        ({"epochs": 0}, "options.epochs=0"),
        ({"max_sweeps": 0}, "options.max_sweeps=0"),
        ({"lr": -1.0}, r"options.lr=-1\.0"),
        ({"lr": 1e308, "batch": 10}, r"options.lr=1e\+308.*stopped being finite"),
    ]:
        with pytest.raises(InputError, match=words):
            learn(ref, other, **options)
    with pytest.raises(InputError, match=r"loss=nan: is not finite.*step 0"):
        straight_through_match(
            SPEC, ref, other, network=NET, data=(X, Y), loss=lambda out, y: out.sum() * torch.inf
        )
    for x, y in ((X, Y[:-1]), (X[:-1], Y)):
        with pytest.raises(InputError, match="equally many"):
            straight_through_match(
                SPEC, ref, other, network=NET, data=(x, y), loss=lambda out, y: out.sum()
            )
    with pytest.raises(InputError, match="lacks these tensors"):
        steepest_match(SPEC, ref, other, gradient={})
