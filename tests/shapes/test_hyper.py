"""HYPER-MATCHING: gradients, what is emitted, the controls, and its recipe."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers import stopped_after_one_shard
from onebasin.connectivity import loss_along_line
from onebasin.errors import InputError
from onebasin.networks import call
from onebasin.networks.siren import Siren, shared_initialisation
from onebasin.seeds import stream
from onebasin.shapes import hyper, hyper_recipe, recipes
from onebasin.shapes.fitting import Settings, bce, start
from onebasin.shapes.hyper import HyperOptions, RowHead, hyper_match
from onebasin.shapes.hyper_recipe import Trial
from onebasin.shapes.udf import Counts

SOURCES = ("encoder", "code", "free")
OPTIONS = HyperOptions(steps=8, batch=40, widths=(6, 6), code=7, rank=5, watch=3)


@pytest.fixture(scope="module")
def pair():
    """A small network, two weight sets and labelled points."""
    network = Siren(8, 2)
    ref, other = (start(network, "shape", k, shared=False, seed=0) for k in (2, 3))
    x = 2 * torch.rand(60, 3, generator=stream("x")) - 1
    return network, ref, other, (x, (x[:, :1] > 0).float())


def model_of(source, pair):
    network, _, other, _ = pair
    return hyper._SOURCES[source](network, other, OPTIONS, stream("draws"))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("room", [60 * 3 * 8, 17 * 3 * 8], ids=["whole", "pieces"])
def test_a_step_has_the_gradient_of_the_mean_loss_on_the_line(source, room, pair, monkeypatch):
    network, ref, _, (x, y) = pair
    monkeypatch.setattr(hyper, "_CACHE_ELEMENTS", room)
    model = model_of(source, pair).double()
    ref, x, y = ({n: t.double() for n, t in ref.items()}, x.double(), y.double())
    lambdas = torch.tensor([0.1, 0.7, 1.0], dtype=torch.float64)
    value = hyper._step(network.double(), model, ref, (x, y, lambdas))
    found = [p.grad.clone() for p in model.parameters()]

    model.zero_grad()
    state = model()
    places = [{n: torch.lerp(ref[n], state[n], lam) for n in ref} for lam in lambdas]
    expected = torch.stack([bce(call(network, place, x), y) for place in places]).mean()
    expected.backward()
    torch.testing.assert_close(value, expected.detach())
    for parameter, gradient in zip(model.parameters(), found, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-7, atol=1e-10)
    network.float()


@pytest.mark.parametrize("source", SOURCES)
def test_a_whole_weight_set_is_emitted(source, pair):
    network, _, other, _ = pair
    state = model_of(source, pair)()
    assert {n: t.shape for n, t in state.items()} == {n: t.shape for n, t in other.items()}
    with torch.no_grad():
        assert torch.isfinite(call(network, state, torch.rand(5, 3))).all()


def test_free_weights_start_at_the_other_network(pair):
    _, _, other, _ = pair
    state = model_of("free", pair)()
    assert all(torch.equal(state[name], other[name]) for name in other)
    assert not any(state[name].data_ptr() == other[name].data_ptr() for name in other)


def test_what_the_head_emits_first_has_the_spread_of_a_fresh_network():
    network, squares = Siren(24, 3), {}
    for draw in range(60):  # one draw's biases of a layer are alike, and can be twice as large
        head = RowHead(network, 32, 16, stream("head", draw)).requires_grad_(False)
        state = head(torch.randn(32, generator=stream("code", draw)))
        fresh = start(network, "shape", draw, shared=False, seed=0)
        for name in (f"layers.{n}.{kind}" for n in range(3) for kind in ("weight", "bias")):
            pair = torch.stack([one[name].square().mean() for one in (state, fresh)])
            squares[name] = squares.get(name, 0) + pair
    for name, (size, usual) in squares.items():
        assert float((size / usual).sqrt()) == pytest.approx(1, rel=0.3), name
    assert torch.linalg.matrix_rank(state["layers.1.weight"]) <= 16


def test_the_code_is_read_as_a_direction(pair):
    head, code = RowHead(pair[0], 7, 5, stream("head")), torch.arange(1.0, 8)
    torch.testing.assert_close(head(code), head(3 * code))


def test_encoder_and_head_draw_different_bits_and_leave_the_global_stream_alone(pair):
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    model = model_of("encoder", pair)
    assert torch.equal(before, torch.random.get_rng_state())
    alone = RowHead(pair[0], OPTIONS.code, OPTIONS.rank, stream("draws"))
    assert not torch.equal(model.head.units[0], alone.units[0])  # the encoder drew first
    again = model_of("encoder", pair)
    for one, two in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)


def test_the_encoder_reads_the_other_network(pair):
    network, ref, other, _ = pair
    made = [
        hyper._FromEncoder(network, state, OPTIONS, stream("draws"))() for state in (ref, other)
    ]
    assert not torch.allclose(made[0]["layers.1.weight"], made[1]["layers.1.weight"])


@pytest.mark.parametrize("source", SOURCES)
def test_the_loss_on_the_line_falls(source, pair):
    network, ref, other, data = pair
    options = replace(OPTIONS, source=source, steps=120, batch=60, lr=1e-3)
    found = hyper_match(network, ref, other, data, options=options)
    assert found.loss.shape == (120,) and found.loss[-5:].mean() < 0.95 * found.loss[:5].mean()
    before = loss_along_line(network, ref, other, bce, data, lambdas=9).loss
    after = loss_along_line(network, ref, found.state, bce, data, lambdas=9).loss
    assert after.mean() < before.mean()


def test_distances_are_noted_from_the_first_step_to_the_last(pair):
    network, ref, other, data = pair
    found = hyper_match(network, ref, other, data, options=replace(OPTIONS, source="free"))
    assert found.steps == (0, 3, 6, 8) and found.parameters == sum(t.numel() for t in ref.values())
    assert found.to_other[0] == 0 < found.to_other[-1]
    assert float(found.to_ref[-1]) == pytest.approx(hyper.distance_in_norms(found.state, ref))
    same, another = (
        hyper_match(network, ref, other, data, seed=k, options=replace(OPTIONS, source="free"))
        for k in (0, 1)
    )
    assert torch.equal(same.loss, found.loss) and not torch.equal(another.loss, found.loss)


def test_distance_is_counted_in_norms_of_the_target():
    state = {"a": torch.tensor([3.0]), "b": torch.tensor([4.0])}
    target = {"a": torch.tensor([3.0]), "b": torch.tensor([0.0])}
    assert hyper.distance_in_norms(state, target) == pytest.approx(4 / 3)
    assert hyper.distance_in_norms(state, state) == 0


def test_positions_lie_one_in_each_quarter_and_at_the_end(pair):
    for step in range(20):
        _, _, lambdas = hyper._sample(pair[3], OPTIONS, 0, step)
        assert (lambdas[:4] * 4).floor().tolist() == [0, 1, 2, 3] and lambdas[4] == 1


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        ({"code": 0}, "options.code"),
        ({"steps": 0}, "options.steps"),
        ({"lambdas": 0}, "options.lambdas"),
        ({"rank": 0}, "options.rank"),
        ({"batch": 61}, "options.batch"),
    ],
)
def test_impossible_options_are_refused(change, argument, pair):
    network, ref, other, data = pair
    with pytest.raises(InputError) as refused:
        hyper_match(network, ref, other, data, options=replace(OPTIONS, **change))
    assert refused.value.argument == argument


def test_networks_that_do_not_fit_are_refused(pair):
    network, ref, other, data = pair
    with pytest.raises(InputError, match="stack"):
        stacks = ({n: t[None] for n, t in s.items()} for s in (ref, other))
        hyper_match(network, *stacks, data, options=OPTIONS)
    with pytest.raises(InputError):
        hyper_match(network, ref, shared_initialisation(Siren(9, 2)), data, options=OPTIONS)
    with pytest.raises(InputError, match="loss"):
        hyper_match(network, ref, other, (data[0], data[1] * torch.inf), options=OPTIONS)
    wrong = replace(OPTIONS)
    object.__setattr__(wrong, "source", "oracle")
    with pytest.raises(InputError, match=r"options\.source"):
        hyper_match(network, ref, other, data, options=wrong)


SETTINGS = Settings(width=8, hidden=2, points=64, counts=Counts().scaled(200), steps=3, batch=20)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """The pairs of one shape, and the store they lie in."""
    pytest.importorskip("open3d")
    patch = pytest.MonkeyPatch()
    patch.setenv("ONEBASIN_STORE", str(tmp_path_factory.mktemp("store")))
    recipe = recipes.inr_pairs(["generated/chair_0"], SETTINGS, initialisations=1, together=3)
    yield recipe, recipes.load(recipes.make(recipe))
    patch.undo()


def test_the_recipe_gives_what_was_found_and_goes_on_where_it_stopped(fitted):
    pairs, inrs = fitted
    trials = [Trial("generated/chair_0", 2, source, 40) for source in SOURCES]
    recipe = hyper_recipe.hyper_recipe(pairs, trials, OPTIONS)
    with stopped_after_one_shard():
        hyper_recipe.make(recipe, inrs)
    made = hyper_recipe.make(recipe, inrs)
    assert made.made == 2
    for shard, source in zip(made, SOURCES, strict=True):
        state, noted = hyper_recipe.split(shard)
        again = hyper_recipe._build({**recipe.params, **trials[0].__dict__, "source": source},
                                    inrs=inrs, device="cpu")  # fmt: skip
        assert set(state) == set(inrs.states) and noted["steps"].tolist() == [0, 3, 6, 8]
        for name, tensor in shard.items():
            torch.testing.assert_close(tensor, again[name], rtol=1e-5, atol=1e-7)


def test_recipes_differ_by_what_they_train(fitted):
    pairs, _ = fitted
    trials = [Trial("generated/chair_0", 2, "free", 40)]
    key = hyper_recipe.hyper_recipe(pairs, trials, OPTIONS).key
    longer = replace(OPTIONS, steps=9)
    assert hyper_recipe.hyper_recipe(pairs, trials, longer).key != key
    # a trial's own source and batch stand in for those of the options
    same = replace(OPTIONS, source="code", batch=7)
    assert hyper_recipe.hyper_recipe(pairs, trials, same).key == key
    for bad in ([], trials * 2):
        with pytest.raises(InputError, match="trials"):
            hyper_recipe.hyper_recipe(pairs, bad, OPTIONS)
