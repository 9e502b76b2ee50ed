"""The recipe ``inr-pairs``: for each shape a first INR and several others to connect it with.

Number 0 is A. Number 1 is a B of the same initialisation, fitted to another sampling of the shape;
numbers 2 and up are Bs of initialisations of their own. Every A and every number 1 start from the
one shared initialisation of the width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin import artifacts
from onebasin.data import shapes as sources
from onebasin.errors import InputError
from onebasin.shapes.fitting import Settings, fit
from onebasin.shapes.udf import Counts

NAME = "inr-pairs"
artifacts.declare(NAME, "INRs of each shape: a first one and others to connect it with")
#: How a shape is placed before clouds are drawn from it.
FRAME = "centroid at 0, farthest point at 1"
_SHARED = 2


@dataclass(frozen=True)
class Inrs:
    """Fitted INRs of several shapes.

    Args:
        settings: How they were made.
        states: Their parameters, stacked in the order of ``shapes`` and ``numbers``.
        shapes: The shape of each.
        numbers: The number of each among those of its shape.
        clouds: What each was fitted to.
        loss: Loss of each step's batch (nats).
    """

    settings: Settings
    states: dict[str, Tensor]
    shapes: tuple[str, ...]
    numbers: tuple[int, ...]
    clouds: Float[Tensor, "models points 3"]
    loss: Float[Tensor, "steps models"]

    def names(self) -> list[str]:
        """The shapes, each once, in order."""
        return list(dict.fromkeys(self.shapes))

    def index(self, shape: str, number: int) -> int:
        """Position of INR ``number`` of ``shape`` in the stack.

        Raises:
            InputError: if there is none.
        """
        pairs = list(zip(self.shapes, self.numbers, strict=True))
        if (shape, number) not in pairs:
            raise InputError("inr", (shape, number), "was not fitted by this recipe")
        return pairs.index((shape, number))

    def pick(self, indices: Sequence[int], device: torch.device | str = "cpu") -> dict[str, Tensor]:
        """The networks at these positions, stacked."""
        rows = torch.as_tensor(list(indices))
        return {name: tensor[rows].to(device) for name, tensor in self.states.items()}


def inr_pairs(
    shapes: Sequence[str],
    settings: Settings,
    *,
    initialisations: int = 3,
    together: int = 1,
    budget_seconds: float = 3600.0,
) -> artifacts.Recipe:
    """The recipe of ``2 + initialisations`` INRs for each shape.

    Args:
        shapes: Names ``source/name``; see :mod:`onebasin.data.shapes`.
        settings: How each INR is made.
        initialisations: How many Bs of other initialisations.
        together: How many INRs are fitted at once and stored in one shard.
        budget_seconds: Time the whole recipe may take.

    Raises:
        InputError: if there is no shape, or a count is impossible.
    """
    if not shapes or len(set(shapes)) != len(shapes):
        raise InputError("shapes", list(shapes), "name at least one shape, each once")
    if initialisations < 0 or together < 1:
        raise InputError("initialisations", initialisations, "must not be negative, nor together 0")
    every = [[name, number] for name in shapes for number in range(_SHARED + initialisations)]
    shards = [{"inrs": every[k : k + together]} for k in range(0, len(every), together)]
    params = {"settings": settings.to_json(), "shared": _SHARED, "frame": FRAME, "dtype": "float32"}
    data = sources.sources(list(shapes))
    return artifacts.Recipe(NAME, params, data, shards, budget_seconds=budget_seconds)


def of(params: Mapping[str, Any], **changes: Any) -> artifacts.Recipe:
    """The recipe of a chapter's parameters, so that chapters that name the same share networks.

    Args:
        params: ``shapes``, ``width``, ``samples``, ``batch``, ``initialisations`` and ``together``.
        changes: What takes the place of some of them.
    """
    own = {**params, **changes}
    counts = Counts().scaled(own["samples"])
    settings = Settings(width=own["width"], batch=own["batch"], counts=counts)
    common = {name: own[name] for name in ("initialisations", "together")}
    return inr_pairs(own["shapes"], settings, **common)


def make(
    recipe: artifacts.Recipe,
    *,
    device: torch.device | str = "cpu",
    on_shard: Callable[[int, int, float], None] | None = None,
) -> artifacts.Artifact:
    """Give the recipe's artifact, fitting what is missing on ``device``."""
    build = partial(_build, device=device)
    return artifacts.make(recipe, build, device=device, on_shard=on_shard)


def load(artifact: artifacts.Artifact) -> Inrs:
    """All INRs of an artifact, on the CPU."""
    parts = list(artifact)
    entries = [entry for shard in artifact.recipe.shards for entry in shard["inrs"]]
    parameters = [name for name in parts[0] if name.startswith("layers.")]
    return Inrs(
        Settings.from_json(artifact.recipe.params["settings"]),
        {name: torch.cat([part[name] for part in parts]) for name in parameters},
        tuple(shape for shape, _ in entries),
        tuple(number for _, number in entries),
        torch.cat([part["clouds"] for part in parts]),
        torch.cat([part["loss"] for part in parts], dim=1),
    )


def _build(values: Mapping[str, Any], *, device: torch.device | str) -> dict[str, Tensor]:
    names, numbers = zip(*values["inrs"], strict=True)
    surfaces = {name: sources.surface(name) for name in dict.fromkeys(names)}
    training, clouds = fit(
        [surfaces[name] for name in names],
        numbers,
        shared=[number < values["shared"] for number in numbers],
        settings=Settings.from_json(values["settings"]),
        device=device,
    )
    return {**training.states, "loss": training.loss, "clouds": clouds}
