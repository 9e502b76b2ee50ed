"""Image classifiers: settings, shares of the data, the loop, augmentation, the recipe."""

from __future__ import annotations

import json

import pytest
import torch

from onebasin import artifacts, seeds
from onebasin.data.images import Images
from onebasin.errors import InputError
from onebasin.networks import (
    Batches,
    Mlp,
    TrainOptions,
    classifiers,
    initialise,
    recipes,
    train,
    training,
)
from onebasin.networks.augmentation import Augmentation, augment
from onebasin.networks.classifiers import Settings, judge, share
from onebasin.networks.training import fit, step_size

#: A perceptron on 100 made-up digits, four epochs.
SMALL = {
    "data": "mnist5k",
    "options": {"hidden": [8]},
    "epochs": 4,
    "batch": 20,
    "checkpoints": (0, 1, 2, 50),
    "lr": 1e-2,
}


@pytest.fixture(autouse=True)
def made_up_digits(monkeypatch):
    """Images whose brightest corner tells the class, in place of the real ones."""
    generator = seeds.stream("made-up")

    def labelled(data, split):
        count, channels, side = 100, *((3, 32) if data == "cifar10" else (1, 28))
        y = torch.arange(count) % 10
        x = torch.randint(0, 60, (count, channels, side, side), generator=generator)
        for k, kind in enumerate(y.tolist()):
            x[k, :, 2 * kind : 2 * kind + 4, :8] += 190
        return Images(x.to(torch.uint8), y, "made-up")

    images = {(d, s): labelled(d, s) for d in ("mnist5k", "cifar10") for s in ("train", "test")}
    for module in (classifiers, training, recipes):
        monkeypatch.setattr(module, "labelled", lambda data, split: images[data, split])


def test_settings_survive_json_and_keep_the_last_epoch():
    settings = Settings(**SMALL)
    assert settings.checkpoints == (0, 1, 2, 4)
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert Settings().checkpoints == (0, 1, 2, 3, 5, 10, 20, 50, 100)


@pytest.mark.parametrize(
    "wrong",
    [
        {"data": "fashion"},
        {"network": "lenet"},
        {"optimiser": "lion"},
        {"schedule": "steps"},
        {"augmentation": "mixup"},
        {"epochs": 0},
        {"fraction": 0.0},
        {"bias": 1.5},
    ],
)
@pytest.mark.bad_input
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(InputError):
        Settings(**wrong)


def test_training_equals_training_a_population():
    settings = Settings(**SMALL)
    ours = fit(settings, 3)
    data = classifiers.labelled("mnist5k", "train")
    network = Mlp((784, 8, 10))
    states = initialise(network, [(3, 0)], stream="init/classifier")
    x, y = settings.inputs(data.x), data.y
    sample = Batches(x[None], y[None], batch=20, seeds=[("data-order/classifier", 3, 0)])
    options = TrainOptions(steps=20, lr=1e-2)
    theirs = train(network, states, sample, torch.nn.functional.cross_entropy, options)
    for name, tensor in theirs.states.items():
        torch.testing.assert_close(ours.states[-1][name], tensor[0], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(ours.loss, theirs.loss.view(4, 5).mean(1), rtol=1e-4, atol=1e-5)


def test_it_learns_and_checkpoints_are_those_of_shorter_runs():
    whole = fit(Settings(**SMALL), 0)
    assert whole.test[-1].accuracy > whole.test[0].accuracy + 0.3
    assert whole.loss[-1] < whole.loss[0]
    part = fit(Settings(**{**SMALL, "epochs": 2}), 0)
    for name, tensor in part.states[-1].items():
        assert torch.equal(tensor, whole.states[2][name])
    assert not torch.equal(fit(Settings(**SMALL), 1).loss, whole.loss)
    assert not torch.equal(fit(Settings(**SMALL, seed=1), 0).loss, whole.loss)


@pytest.mark.parametrize(
    ("network", "options"),
    [("tinyten", {"width": 0.125, "norm": "batch"}), ("resnet", {"width": 0.125})],
)
def test_convolutional_networks_are_trained_with_their_statistics(network, options):
    settings = Settings(
        data="cifar10",
        network=network,
        options=options,
        epochs=1,
        batch=50,
        optimiser="sgd",
        lr=0.05,
        weight_decay=1e-4,
        schedule="cosine",
        warmup=0.5,
        augmentation="affine",
    )
    fitted = fit(settings, 0)
    start, end = fitted.states[0], fitted.states[-1]
    assert start.keys() == settings.make().state_dict().keys()
    moved = [name for name in start if not torch.equal(start[name], end[name])]
    assert ("norms.0.running_mean" in moved) == (options.get("norm") == "batch")
    assert any("weight" in name for name in moved)


def test_digits_are_padded_for_convolutions_and_flattened_for_perceptrons():
    pixels = torch.full((2, 1, 28, 28), 255, dtype=torch.uint8)
    assert Settings().inputs(pixels).shape == (2, 784)
    padded = Settings(network="vgg", options={"width": 2}).inputs(pixels)
    assert padded.shape == (2, 1, 32, 32) and float(padded.sum()) == 2 * 28 * 28


def test_a_biased_split_is_disjoint_complete_and_biased():
    y = torch.arange(1000) % 10
    settings = Settings(bias=0.2)
    even, odd = share(y, 0, settings), share(y, 1, settings)
    assert torch.equal(torch.cat([even, odd]).sort().values, torch.arange(1000))
    assert torch.bincount(y[even]).tolist() == [20] * 5 + [80] * 5
    assert torch.equal(share(y, 2, settings), even)


def test_a_fraction_is_drawn_for_every_network_by_itself():
    y = torch.arange(100) % 10
    settings = Settings(fraction=0.3)
    first, second = share(y, 0, settings), share(y, 1, settings)
    assert len(first) == len(second) == 30 and not torch.equal(first, second)
    assert len(first.unique()) == 30 and torch.equal(share(y, 0, settings), first)


def test_step_sizes_rise_and_fall_as_stated():
    settings = Settings(epochs=10, lr=1.0, warmup=2, schedule="cosine")
    sizes = [step_size(settings, step, 5) for step in range(50)]
    assert sizes[0] == 1e-6 and sizes[10] == 1.0 and max(sizes) == 1.0
    assert sizes[30] == pytest.approx(0.5) and 0 < sizes[-1] < 0.01
    line = Settings(epochs=10, lr=1.0, schedule="linear")
    assert step_size(line, 25, 5) == pytest.approx(0.5)
    assert step_size(Settings(lr=0.3), 7, 5) == 0.3


def test_augmentation_without_limits_changes_nothing_and_shifts_by_whole_pixels():
    x = torch.rand(6, 2, 8, 8, generator=seeds.stream("x"))
    still = augment(x, Augmentation(mirror=False), seeds.stream("a"))
    torch.testing.assert_close(still, x, rtol=0, atol=1e-5)
    mirrored = augment(x, Augmentation(), seeds.stream("a"))
    for before, after in zip(x, mirrored, strict=True):
        same, flipped = ((after - t).abs().max() < 1e-5 for t in (before, before.flip(-1)))
        assert same or flipped
    shifted = augment(x, Augmentation(shift_pixels=2, mirror=False), seeds.stream("a"))
    padded = torch.nn.functional.pad(x, (2,) * 4)
    for k, after in enumerate(shifted):
        crops = [padded[k, :, i : i + 8, j : j + 8] for i in range(5) for j in range(5)]
        assert min(float((after - crop).abs().max()) for crop in crops) < 1e-5


def test_turning_keeps_the_middle_and_zooming_the_mean():
    x = torch.zeros(4, 1, 9, 9)
    x[:, :, 4, 4] = 1.0
    turned = augment(x, Augmentation(turn_degrees=180, mirror=False), seeds.stream("a"))
    torch.testing.assert_close(turned[:, :, 4, 4], torch.ones(4, 1), rtol=0, atol=1e-5)
    flat = augment(torch.ones(4, 1, 9, 9), Augmentation(zoom=(0.5, 0.9)), seeds.stream("a"))
    torch.testing.assert_close(flat, torch.ones(4, 1, 9, 9))


def test_judging_counts_and_leaves_the_mode():
    settings = Settings(**SMALL)
    network = settings.make().train()
    data = classifiers.labelled("mnist5k", "test")
    found = judge(network, settings, data.x, data.y)
    logits = network(settings.inputs(data.x)).detach()
    assert found.loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits, data.y)))
    assert found.accuracy == pytest.approx(float((logits.argmax(1) == data.y).float().mean()))
    assert network.training


def test_a_batch_larger_than_the_data_and_a_runaway_loss_are_errors():
    with pytest.raises(InputError, match="batch"):
        fit(Settings(**{**SMALL, "batch": 101}), 0)
    with pytest.raises(InputError, match="network 4"):
        fit(Settings(**{**SMALL, "optimiser": "sgd", "lr": 1e30}), 4)


def test_the_recipe_resumes_and_gives_networks_by_number_and_epoch(tmp_path, monkeypatch):
    monkeypatch.setenv("ONEBASIN_STORE", str(tmp_path))
    settings = Settings(**SMALL)
    recipe = recipes.image_classifiers(settings, [0, 1, 5], together=2)
    artifact = recipes.make(recipe)
    assert artifact.made == 2 and recipes.make(recipe).made == 0
    (artifact.folder / "001.safetensors").unlink()
    assert recipes.make(recipe).made == 1
    found = recipes.load(artifact)
    alone = fit(settings, 5)
    for epoch, state in zip(settings.checkpoints, alone.states, strict=True):
        for name, tensor in found.at([5], epoch=epoch).items():
            assert torch.equal(tensor[0], state[name])
    assert found.judged["test_accuracy"].shape == (3, 4) and found.loss.shape == (3, 4)
    assert float(found.judged["train_loss"][2, -1]) == pytest.approx(alone.train[-1].loss)
    last = recipes.load(artifact, epochs=[4])
    assert last.at()["layers.0.weight"].shape == (3, 8, 784)
    with pytest.raises(InputError, match="epoch"):
        last.at(epoch=0)
    with pytest.raises(InputError, match="epochs"):
        recipes.load(artifact, epochs=[3])


class Noted:
    """What a chapter's run keeps note of."""

    def __init__(self):
        self.artifacts, self.files = [], []

    def recipe(self, artifact):
        self.artifacts.append(artifact)
        return artifact

    def data(self, name, sha256, note=None):
        self.files.append((name, sha256, note))


def test_a_chapter_trains_pairs_by_one_call_and_shares_them(tmp_path, monkeypatch):
    monkeypatch.setenv("ONEBASIN_STORE", str(tmp_path))
    settings, run = Settings(**SMALL), Noted()
    nets = recipes.trained(settings, 4, run=run, together=2, epochs=[2, 4])
    (artifact,) = run.artifacts
    long = recipes.image_classifiers(settings, list(range(4)), together=2)
    assert artifact.recipe.key == long.key and nets.epochs == (2, 4)
    images = classifiers.labelled(settings.data, "train")
    assert run.files == [(images.name, images.sha256, images.note)]
    for k, stack in enumerate(nets.pairs(epoch=2)):
        for name, tensor in nets.at([k, 2 + k], epoch=2).items():
            assert torch.equal(stack[name], tensor)
    assert recipes.trained(settings, 4, run=run, together=2).epochs == settings.checkpoints
    assert run.artifacts[-1].made == 0
    with pytest.raises(InputError, match="make no pairs"):
        recipes.trained(settings, 3, run=run).pairs()


def test_the_recipe_is_known_and_names_its_data():
    assert recipes.NAME in artifacts.kinds()
    recipe = recipes.image_classifiers(Settings(), [0])
    assert set(recipe.data) == {"mnist.npz"}
    other = recipes.image_classifiers(Settings(lr=1e-2), [0])
    assert recipe.key != other.key
    with pytest.raises(InputError, match="numbers"):
        recipes.image_classifiers(Settings(), [1, 1])
