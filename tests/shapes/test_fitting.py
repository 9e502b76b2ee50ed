"""Fitting INRs: learns, draws by name, together as alone, resumable as an artifact."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from onebasin import profiles
from onebasin.data.shapes import surface
from onebasin.errors import InputError, SliceEnd
from onebasin.networks import call
from onebasin.shapes import recipes
from onebasin.shapes.fitting import Settings, bce, fit, fitted_cloud, held_out_points
from onebasin.shapes.udf import Counts

pytest.importorskip("open3d")
SETTINGS = Settings(
    width=16, hidden=2, points=256, counts=Counts().scaled(2000), steps=40, batch=200, lr=1e-3
)
SHAPES = ["generated/chair_0", "generated/lamp_1"]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("ONEBASIN_STORE", str(tmp_path_factory.mktemp("store")))
    yield recipes.make(recipes.inr_pairs(SHAPES, SETTINGS, initialisations=1, together=2))
    patch.undo()


def test_an_inr_learns_its_shape_and_answers_on_an_unseen_sample():
    chair = surface(SHAPES[0])
    training, clouds = fit([chair], [0], shared=[True], settings=replace(SETTINGS, steps=150))
    points, answers = held_out_points(chair, SETTINGS, Counts().scaled(1000))
    network = SETTINGS.network()
    state = {name: tensor[0] for name, tensor in training.states.items()}
    before, after = bce(network(points), answers), bce(call(network, state, points), answers)
    constant = bce(torch.logit(answers.mean()).expand_as(answers), answers)
    assert after < before and after < constant
    assert torch.equal(clouds[0], fitted_cloud(chair, 0, SETTINGS))


def test_the_loss_tells_its_own_slope():
    output = torch.linspace(-30, 30, 61).requires_grad_()
    target = torch.linspace(0, 1, 61)
    (slope,) = torch.autograd.grad(bce.elementwise(output, target).sum(), output)
    torch.testing.assert_close(bce.slope(output.detach(), target), slope)


def test_together_as_alone():
    chair, lamp = map(surface, SHAPES)
    both, _ = fit([chair, lamp], [0, 2], shared=[True, False], settings=SETTINGS)
    alone, _ = fit([lamp], [2], shared=[False], settings=SETTINGS)
    for name, tensor in alone.states.items():
        torch.testing.assert_close(tensor[0], both.states[name][1], rtol=0, atol=1e-4)


def test_the_recipe_gives_one_shared_start_and_others(artifact):
    inrs = recipes.load(artifact)
    assert inrs.names() == SHAPES and inrs.numbers == (0, 1, 2, 0, 1, 2)
    assert inrs.loss.shape == (40, 6) and inrs.clouds.shape == (6, 256, 3)
    assert not torch.equal(inrs.clouds[0], inrs.clouds[1])

    def apart(a, b):
        first, second = inrs.pick([inrs.index(*a)]), inrs.pick([inrs.index(*b)])
        name = "layers.1.weight"
        return float((first[name] - second[name]).norm() / first[name].norm())

    for shape in SHAPES:
        assert apart((shape, 0), (shape, 1)) < 1 < apart((shape, 0), (shape, 2))
    assert apart((SHAPES[0], 2), (SHAPES[1], 2)) > 1
    with pytest.raises(InputError):
        inrs.index(SHAPES[0], 3)


def test_a_finished_artifact_is_read_not_made(artifact):
    again = recipes.make(artifact.recipe)
    assert artifact.made == 3 and again.made == 0


def test_a_stopped_recipe_goes_on(tmp_path, monkeypatch, artifact):
    monkeypatch.setenv("ONEBASIN_STORE", str(tmp_path))
    recipe = recipes.inr_pairs(SHAPES, SETTINGS, initialisations=1, together=2)

    def stop(index, total, seconds):
        monkeypatch.setenv("ONEBASIN_DEADLINE", "1")

    with pytest.raises(SliceEnd):
        recipes.make(recipe, on_shard=stop)
    monkeypatch.delenv("ONEBASIN_DEADLINE")
    resumed = recipes.make(recipe)
    assert resumed.made == 2
    first, second = recipes.load(artifact), recipes.load(resumed)
    assert all(torch.equal(first.states[name], second.states[name]) for name in first.states)


def test_settings_survive_json_and_change_the_key():
    assert Settings.from_json(SETTINGS.to_json()) == SETTINGS
    keys = {
        recipes.inr_pairs(SHAPES, settings).key
        for settings in (SETTINGS, replace(SETTINGS, seed=1), replace(SETTINGS, batch=100))
    }
    assert len(keys) == 3


def test_the_laptop_artifact_keeps_its_key():
    """A changed key would make every stored artifact worthless: raise the version knowingly."""
    shapes = [f"modelnet40_meshes/{name}_0001" for name in ("airplane", "bathtub", "bed")]
    shapes += [f"modelnet40_meshes/{name}_0001" for name in ("chair", "lamp", "toilet")]
    assert recipes.inr_pairs(shapes, Settings(batch=2500)).key == "fdde48ed00dcd683"
    chapters = ("line", "predictions", "identity", "minmax", "pruning", "hyper")
    params = [profiles.resolve(f"inrs/{chapter}", "laptop") for chapter in chapters]
    assert {recipes.of(one).key for one in params} == {"fdde48ed00dcd683"}
    assert recipes.of(params[0], width=64).params["settings"]["width"] == 64


def test_bad_requests_are_refused():
    with pytest.raises(InputError, match="shapes"):
        recipes.inr_pairs([], SETTINGS)
    with pytest.raises(InputError, match="shapes"):
        recipes.inr_pairs([SHAPES[0]] * 2, SETTINGS)
    with pytest.raises(InputError):
        recipes.inr_pairs(SHAPES, SETTINGS, initialisations=-1)
