"""Learned matches are kept, trial by trial, and are what the estimator itself gives."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch

from onebasin import artifacts, seeds
from onebasin.data.images import Images
from onebasin.errors import InputError
from onebasin.matching import ConvergenceWarning, StraightThroughOptions, recipes
from onebasin.matching.recipes import Trial
from onebasin.matching.straight_through import straight_through_match
from onebasin.networks import classifiers, training
from onebasin.networks import recipes as networks
from onebasin.networks.classifiers import Settings, evaluation

SETTINGS = Settings(data="mnist5k", options={"hidden": [8]}, epochs=2, batch=20, lr=1e-2)
OPTIONS = StraightThroughOptions(batch=40, lr=0.1)
TRIALS = [
    Trial(0, 1, 2),
    Trial(0, 2, 2, "random"),
    Trial(1, 2, 3, learn="midpoint"),
    Trial(0, 1, 2, max_sweeps=1),
]


@pytest.fixture(autouse=True)
def store(monkeypatch, tmp_path):
    """A store of its own, and made-up digits whose brightest rows tell the class."""
    y = torch.arange(80) % 10
    x = torch.randint(0, 60, (80, 1, 28, 28), generator=seeds.stream("made-up"))
    for k, kind in enumerate(y.tolist()):
        x[k, :, 2 * kind : 2 * kind + 4, :8] += 190
    images = Images(x.to(torch.uint8), y, "made-up")
    for module in (classifiers, training):
        monkeypatch.setattr(module, "labelled", lambda data, split: images)
    monkeypatch.setenv("ONEBASIN_STORE", str(tmp_path))


@pytest.fixture
def trained():
    made = networks.make(networks.image_classifiers(SETTINGS, [0, 1, 2], together=3))
    return made.recipe, networks.load(made)


def test_every_trial_is_the_estimator_on_its_pair(trained):
    recipe, nets = trained
    artifact = recipes.make(recipes.straight_through(recipe, TRIALS, OPTIONS), nets)
    assert artifact.made == len(TRIALS) and recipes.make(artifact.recipe, nets).made == 0
    network = SETTINGS.make().eval()
    found = recipes.load(artifact, network.spec)
    assert list(found) == TRIALS
    for trial, learned in found.items():
        states = nets.at([trial.ref, trial.other])
        ref, other = ({name: t[k] for name, t in states.items()} for k in (0, 1))
        own = {name: getattr(trial, name) for name in ("epochs", "learn", "start", "max_sweeps")}
        options = StraightThroughOptions(batch=40, lr=0.1, **own)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            direct = straight_through_match(
                network.spec,
                ref,
                other,
                network=network,
                data=evaluation(SETTINGS, "train"),
                loss=torch.nn.functional.cross_entropy,
                options=options,
            )
        for group, perm in direct.element.perms.items():
            assert torch.equal(learned.element.perms[group], perm)
        assert (
            torch.equal(learned.loss, direct.loss.float()) and len(learned.loss) == trial.epochs * 2
        )
        assert learned.sweeps == int(direct.sweeps) and learned.seconds > 0
        assert torch.equal(learned.drift, direct.drift) and len(learned.drift) == trial.epochs
        assert trial.max_sweeps > 1 or learned.sweeps == trial.epochs * 2


def test_what_decides_the_result_decides_the_key(trained):
    recipe, _ = trained
    plain = recipes.straight_through(recipe, TRIALS, OPTIONS).key
    other = networks.image_classifiers(Settings(**{**SETTINGS.to_json(), "seed": 1}), [0, 1, 2])
    changed = [
        recipes.straight_through(recipe, TRIALS, StraightThroughOptions(batch=20, lr=0.1)),
        recipes.straight_through(recipe, TRIALS[:2], OPTIONS),
        recipes.straight_through(other, TRIALS, OPTIONS),
    ]
    assert plain not in {one.key for one in changed}
    assert recipes.NAME in artifacts.kinds()


def test_impossible_trials_are_refused(trained):
    recipe, _ = trained
    with pytest.raises(InputError, match="each once"):
        recipes.straight_through(recipe, [TRIALS[0]] * 2)
    with pytest.raises(InputError, match="weight matching"):
        recipes.straight_through(recipe, TRIALS, StraightThroughOptions(project=print))


@pytest.mark.bad_input
def test_other_networks_than_the_recipe_names_are_refused(trained):
    recipe, nets = trained
    wanted = recipes.straight_through(recipe, TRIALS[:1], OPTIONS)
    made = networks.make(recipe)
    with pytest.raises(InputError, match=r"load epoch 2 too, as the last"):
        recipes.make(wanted, networks.load(made, [1]))
    other = replace(nets, settings=replace(SETTINGS, lr=1e-3))
    with pytest.raises(InputError, match="not those of the recipe"):
        recipes.make(wanted, other)
