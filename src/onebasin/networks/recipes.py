"""The recipe ``image-classifiers``: independent networks of one kind, with their way there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin import artifacts
from onebasin.data import packs
from onebasin.errors import InputError
from onebasin.networks.classifiers import Judged, Settings, labelled
from onebasin.networks.population import stack
from onebasin.networks.training import Fitted, fit

NAME = "image-classifiers"
_PACKS = {"mnist": "mnist", "cifar10": "cifar10_jpeg"}
_JUDGED = "judged/"
_STATE = "state/"

artifacts.declare(NAME, "image classifiers at several epochs of their training")


@dataclass(frozen=True)
class Classifiers:
    """Trained classifiers of one kind.

    Args:
        settings: How they were made.
        numbers: Which ones, in the order of the stack.
        states: Weights and buffers ``[models checkpoints ...]``, a checkpoint for each epoch of
            ``epochs``.
        epochs: The epochs after which weights were kept.
        loss: Mean loss of every epoch's batches (nats).
        judged: ``train_loss``, ``test_loss`` (nats), ``train_accuracy`` and ``test_accuracy`` at
            every checkpoint of the settings.
    """

    settings: Settings
    numbers: tuple[int, ...]
    states: dict[str, Tensor]
    epochs: tuple[int, ...]
    loss: Float[Tensor, "models epochs"]
    judged: dict[str, Float[Tensor, "models checkpoints"]]

    def at(
        self,
        numbers: Sequence[int] | None = None,
        *,
        epoch: int | None = None,
        device: torch.device | str = "cpu",
    ) -> dict[str, Tensor]:
        """Networks by number, stacked, after an epoch.

        Args:
            numbers: Which ones; all by default.
            epoch: One of ``epochs``; the last by default.
            device: Where to put them.

        Raises:
            InputError: if a network or an epoch was not kept.
        """
        wanted = list(self.numbers if numbers is None else numbers)
        last = self.epochs[-1] if epoch is None else epoch
        if last not in self.epochs or not set(wanted) <= set(self.numbers):
            kept = f"networks {self.numbers} at epochs {self.epochs}"
            raise InputError("numbers, epoch", (wanted, last), f"choose among {kept}")
        rows = torch.tensor([self.numbers.index(number) for number in wanted])
        place = self.epochs.index(last)
        return {name: tensor[rows, place].to(device) for name, tensor in self.states.items()}

    def pairs(
        self, *, epoch: int | None = None, device: torch.device | str = "cpu"
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Independent pairs, as two stacks: networks 0, 2, 4, ... and, for each, the next one.

        Args:
            epoch: One of ``epochs``; the last by default.
            device: Where to put them.

        Raises:
            InputError: if the epoch was not kept or a network is left over.
        """
        if len(self.numbers) % 2:
            raise InputError("numbers", self.numbers, "make no pairs; train an even number")
        first, second = (self.at(self.numbers[k::2], epoch=epoch, device=device) for k in (0, 1))
        return first, second


@runtime_checkable
class Notes(Protocol):
    """What keeps note of all that a chapter uses, such as the run that ``book.start`` returns."""

    def recipe(self, artifact: artifacts.Artifact) -> artifacts.Artifact:
        """Note an artifact and give it back."""

    def data(self, name: str, sha256: str, note: str | None = None) -> None:
        """Note a data file."""


def trained(
    settings: Settings,
    count: int,
    *,
    run: Notes,
    together: int = 1,
    epochs: Sequence[int] | None = None,
    device: torch.device | str = "cpu",
) -> Classifiers:
    """Networks 0 to ``count - 1``, trained unless they are there, and noted in a chapter's run.

    Chapters that ask for the same settings, count and ``together`` share one artifact.

    Args:
        settings: How each is made.
        count: How many.
        run: Takes note of the artifact and of the data.
        together: Networks in one shard.
        epochs: Checkpoints to load; all by default.
        device: Where to train.
    """
    recipe = image_classifiers(settings, range(count), together=together)
    artifact = run.recipe(make(recipe, device=device))
    images = labelled(settings.data, "train")
    run.data(images.name, images.sha256, note=images.note)
    return load(artifact, epochs)


def image_classifiers(
    settings: Settings,
    numbers: Sequence[int],
    *,
    together: int = 1,
    budget_seconds: float = 3600.0,
) -> artifacts.Recipe:
    """The recipe of the networks with these numbers.

    Args:
        settings: How each is made.
        numbers: Their numbers, each once.
        together: How many are stored in one shard (and lost together if a run is killed).
        budget_seconds: Time the whole recipe may take.

    Raises:
        InputError: if there is no number, one comes twice, or ``together`` is below 1.
    """
    if not numbers or len(set(numbers)) != len(numbers) or together < 1:
        remedy = "name at least one network, each once, and 1 or more together"
        raise InputError("numbers, together", (list(numbers), together), remedy)
    every = [int(number) for number in numbers]
    shards = [{"numbers": every[k : k + together]} for k in range(0, len(every), together)]
    params = {"settings": settings.to_json(), "dtype": "float32"}
    data = {}
    if settings.data in _PACKS:
        pack = packs.pack(_PACKS[settings.data])
        data[pack.file] = pack.sha256
    return artifacts.Recipe(NAME, params, data, shards, budget_seconds=budget_seconds)


def make(
    recipe: artifacts.Recipe,
    *,
    device: torch.device | str = "cpu",
    on_shard: Callable[[int, int, float], None] | None = None,
) -> artifacts.Artifact:
    """Give the recipe's artifact, training what is missing on ``device``."""
    return artifacts.make(recipe, partial(_build, device=device), device=device, on_shard=on_shard)


def load(artifact: artifacts.Artifact, epochs: Sequence[int] | None = None) -> Classifiers:
    """The classifiers of an artifact, on the CPU.

    Args:
        artifact: What :func:`make` gave.
        epochs: Checkpoints to load; all by default (they take memory).

    Raises:
        InputError: if an epoch was not kept.
    """
    settings = Settings.from_json(artifact.recipe.params["settings"])
    kept = tuple(settings.checkpoints)
    chosen = kept if epochs is None else tuple(epochs)
    if not chosen or not set(chosen) <= set(kept):
        raise InputError("epochs", chosen, f"choose among {kept}")
    places = torch.tensor([kept.index(epoch) for epoch in chosen])
    parts = [_chosen(part, places) for part in artifact]
    whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return Classifiers(
        settings,
        tuple(number for shard in artifact.recipe.shards for number in shard["numbers"]),
        _below(whole, _STATE),
        chosen,
        whole["loss"],
        _below(whole, _JUDGED),
    )


def _chosen(part: Mapping[str, Tensor], places: Tensor) -> dict[str, Tensor]:
    return {
        name: tensor[:, places] if name.startswith(_STATE) else tensor
        for name, tensor in part.items()
    }


def _below(whole: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in whole.items() if n.startswith(prefix)}


def _build(values: Mapping[str, Any], *, device: torch.device | str) -> dict[str, Tensor]:
    settings = Settings.from_json(values["settings"])
    every = [_tensors(fit(settings, number, device)) for number in values["numbers"]]
    return stack(every)


def _tensors(fitted: Fitted) -> dict[str, Tensor]:
    """What is stored of one network."""
    tensors = {_STATE + name: tensor for name, tensor in stack(fitted.states).items()}
    for split in ("train", "test"):
        judged: list[Judged] = getattr(fitted, split)
        tensors[f"{_JUDGED}{split}_loss"] = torch.tensor([one.loss for one in judged])
        tensors[f"{_JUDGED}{split}_accuracy"] = torch.tensor([one.accuracy for one in judged])
    return {**tensors, "loss": fitted.loss}
