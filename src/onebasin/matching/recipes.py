"""The recipe ``straight-through``: learned matches of trained classifiers, one pair a shard.

The straight-through estimator is the one matcher whose price is that of a training, so what it
finds is kept: a killed run goes on at the first missing pair, and two processes share the work.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin import artifacts
from onebasin.errors import InputError
from onebasin.matching.result import ConvergenceWarning
from onebasin.matching.straight_through import StraightThroughOptions, straight_through_match
from onebasin.networks.classifiers import evaluation
from onebasin.networks.recipes import Classifiers
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.spec import Spec

NAME = "straight-through"
_SHARED = ("batch", "lr", "momentum")  # options that all trials have in common
_PERM = "perm/"

artifacts.declare(NAME, "permutations learned by the straight-through estimator")


@dataclass(frozen=True)
class Trial:
    """One run of the estimator on the last weights of two classifiers.

    Args:
        ref: Number of the network that stays.
        other: Number of the one that is moved.
        epochs: Passes over the training images.
        start: Where the learned weights start, see
            :class:`~onebasin.matching.straight_through.StraightThroughOptions`.
        learn: What they stand for, see there.
        max_sweeps: Most sweeps of a projection, see there.
        seed: Number of the random start and of the order of the images.
    """

    ref: int
    other: int
    epochs: int
    start: Literal["ref", "random"] = "ref"
    learn: Literal["end", "midpoint"] = "end"
    max_sweeps: int = StraightThroughOptions.max_sweeps
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Learned:
    """What one run found.

    Args:
        element: The permutation of the other network whose midpoint had the lowest loss of a batch.
        loss: Loss of the midpoint on each step's batch (nats).
        drift: By how much, after each pass, a projection to convergence would have raised the
            projection's objective, as a fraction of it.
        sweeps: Sweeps of all projections together.
        seconds: Wall-clock time of the run, the loading of its images included.
    """

    element: Permutation
    loss: Float[Tensor, " batches"]
    drift: Float[Tensor, " epochs"]
    sweeps: int
    seconds: float


def straight_through(
    networks: artifacts.Recipe,
    trials: Sequence[Trial],
    options: StraightThroughOptions | None = None,
    *,
    budget_seconds: float = 3600.0,
) -> artifacts.Recipe:
    """The recipe of these trials on the networks of the recipe ``image-classifiers``.

    Args:
        networks: Gives the networks, and the settings that name their data.
        trials: One shard each.
        options: Batch, step size and momentum of all trials; the rest stands in each trial.
        budget_seconds: Time the whole recipe may take.

    Raises:
        InputError: if there is no trial, one comes twice, or the projection is not weight matching.
    """
    options = options or StraightThroughOptions()
    if not trials or len(set(trials)) != len(trials):
        raise InputError("trials", list(trials), "name at least one, each once")
    if options.project is not StraightThroughOptions.project:
        raise InputError("options.project", options.project, "keep the default, weight matching")
    params = {
        "networks": networks.key,
        "settings": networks.params["settings"],
        "options": {name: getattr(options, name) for name in _SHARED},
    }
    shards = [asdict(trial) for trial in trials]
    return artifacts.Recipe(NAME, params, networks.data, shards, budget_seconds=budget_seconds)


def make(
    recipe: artifacts.Recipe,
    classifiers: Classifiers,
    *,
    device: torch.device | str = "cpu",
    on_shard: Callable[[int, int, float], None] | None = None,
) -> artifacts.Artifact:
    """Give the recipe's artifact, learning on ``device`` what is missing.

    Args:
        recipe: Made by :func:`straight_through`.
        classifiers: The networks, with those of every trial among them.
        device: Where to learn.
        on_shard: See :func:`onebasin.artifacts.make`.

    Raises:
        InputError: if the networks were trained otherwise, or their last weights are not loaded.
    """
    _check_networks(recipe, classifiers)
    build = partial(_build, classifiers=classifiers, device=device)
    return artifacts.make(recipe, build, device=device, on_shard=on_shard)


def _check_networks(recipe: artifacts.Recipe, classifiers: Classifiers) -> None:
    """What is kept under the key of a recipe must come from the networks that the key names."""
    if classifiers.settings.to_json() != recipe.params["settings"]:
        raise InputError("classifiers", classifiers.settings, "are not those of the recipe")
    last = classifiers.settings.checkpoints[-1]
    if classifiers.epochs[-1] != last:
        remedy = f"trials start from the last weights; load epoch {last} too, as the last"
        raise InputError("classifiers.epochs", classifiers.epochs, remedy)


def load(artifact: artifacts.Artifact, spec: Spec) -> dict[Trial, Learned]:
    """What every trial found, on the CPU."""
    found = {}
    parts = zip(artifact.recipe.shards, artifact, artifact.shard_seconds, strict=True)
    for shard, part, seconds in parts:
        perms = {group: part[_PERM + group] for group in spec.groups}
        element = Permutation(spec, perms)
        found[Trial(**shard)] = Learned(
            element, part["loss"], part["drift"], int(part["sweeps"]), seconds
        )
    return found


def _build(
    values: Mapping[str, Any], *, classifiers: Classifiers, device: torch.device | str
) -> dict[str, Tensor]:
    settings = classifiers.settings
    states = classifiers.at([values["ref"], values["other"]], device=device)
    ref, other = ({name: tensor[k] for name, tensor in states.items()} for k in (0, 1))
    network = settings.make().to(device).eval()
    x, y = (part.to(device) for part in evaluation(settings, "train"))
    own = {name: values[name] for name in ("epochs", "start", "learn", "max_sweeps")}
    with warnings.catch_warnings():  # how long to learn was asked for, and is on record
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = straight_through_match(
            network.spec,  # type: ignore[arg-type]
            ref,
            other,
            network=network,
            data=(x, y),
            loss=torch.nn.functional.cross_entropy,
            seed=values["seed"],
            options=StraightThroughOptions(**values["options"], **own),
        )
    perms = {_PERM + group: perm.cpu() for group, perm in found.element.perms.items()}
    sweeps = torch.as_tensor(found.sweeps).cpu()
    way = {"loss": found.loss.float().cpu(), "drift": found.drift.cpu(), "sweeps": sweeps}
    return {**perms, **way}
