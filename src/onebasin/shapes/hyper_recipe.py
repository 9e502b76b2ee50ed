"""The recipe ``hyper-matching``: new weights for pairs of INRs, one training a shard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from onebasin import artifacts, seeds
from onebasin.data import shapes as sources
from onebasin.errors import InputError
from onebasin.shapes.fitting import Settings, labelled_points
from onebasin.shapes.hyper import HyperOptions, hyper_match
from onebasin.shapes.recipes import Inrs

NAME = "hyper-matching"
artifacts.declare(NAME, "weights that a hyper-network emits for pairs of INRs")
_NOTED = ("loss", "steps", "to_ref", "to_other", "parameters")


@dataclass(frozen=True)
class Trial:
    """One training.

    Args:
        shape: Whose network 0 is the reference.
        number: Network of the shape that the new weights begin from.
        source: What emits them, see :class:`HyperOptions`.
        batch: Labelled points of each step.
    """

    shape: str
    number: int
    source: str
    batch: int


def hyper_recipe(
    pairs: artifacts.Recipe,
    trials: Sequence[Trial],
    options: HyperOptions,
    *,
    budget_seconds: float = 3600.0,
) -> artifacts.Recipe:
    """The recipe of these trainings on the networks of the recipe ``inr-pairs``.

    Args:
        pairs: Gives the networks.
        trials: One shard each; their source and batch replace those of ``options``.
        options: What all have in common.
        budget_seconds: Time the whole recipe may take.

    Raises:
        InputError: if there is no trial, or one comes twice.
    """
    if not trials or len(set(trials)) != len(trials):
        raise InputError("trials", list(trials), "name at least one, each once")
    common = {k: v for k, v in asdict(options).items() if k not in ("source", "batch")}
    common["widths"] = list(options.widths)
    params = {"pairs": pairs.key, "settings": pairs.params["settings"], "options": common}
    data = sources.sources(sorted({trial.shape for trial in trials}))
    shards = [asdict(trial) for trial in trials]
    return artifacts.Recipe(NAME, params, data, shards, 2, budget_seconds)


def make(
    recipe: artifacts.Recipe,
    inrs: Inrs,
    *,
    device: torch.device | str = "cpu",
    on_shard: Callable[[int, int, float], None] | None = None,
) -> artifacts.Artifact:
    """Give the recipe's artifact, training what is missing on ``device``.

    Raises:
        InputError: if ``inrs`` were fitted with other settings than the recipe names.
    """
    if inrs.settings.to_json() != recipe.params["settings"]:
        raise InputError("inrs", inrs.settings, "are not those of the recipe")
    build = partial(_build, inrs=inrs, device=device)
    return artifacts.make(recipe, build, device=device, on_shard=on_shard)


def split(shard: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The new weights of a shard, and what was noted on the way there."""
    state = {name: tensor for name, tensor in shard.items() if name not in _NOTED}
    return state, {name: shard[name] for name in _NOTED}


def _build(values: Mapping[str, Any], *, inrs: Inrs, device) -> dict[str, Tensor]:
    settings = Settings.from_json(values["settings"])
    trial = Trial(*(values[name] for name in ("shape", "number", "source", "batch")))
    common = {**values["options"], "widths": tuple(values["options"]["widths"])}
    options = replace(HyperOptions(**common), source=trial.source, batch=trial.batch)  # type: ignore[arg-type]
    surface = sources.surface(trial.shape)
    cloud = surface.sample(
        settings.points, generator=seeds.stream(f"hyper-cloud/{trial.shape}", trial.number)
    )
    data = labelled_points(
        cloud,
        settings.counts,
        truncation=settings.truncation,
        generator=seeds.stream(f"hyper-queries/{trial.shape}", trial.number),
        device=device,
    )
    pair = inrs.pick([inrs.index(trial.shape, 0), inrs.index(trial.shape, trial.number)], device)
    ref, other = ({name: tensor[k] for name, tensor in pair.items()} for k in (0, 1))
    found = hyper_match(settings.network(device), ref, other, data, options=options)
    noted = {name: torch.as_tensor(getattr(found, name)) for name in _NOTED}
    return {**found.state, **noted}
