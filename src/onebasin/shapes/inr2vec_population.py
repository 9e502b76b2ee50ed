"""The recipe ``inr-population``: many shapes with one INR or more each, for an encoder to read.

A member is ``[shape, number, start, stretch]``: which draw of cloud, queries and order of the data
it sees; where it starts; how its shape is distorted. Start 0 is the one shared initialisation of
the width. Start ``k`` is another draw, the same for every shape, so that shapes and starts can be
crossed. Stretch 0 leaves the shape as it is, any other number is a distortion of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin import artifacts, seeds
from onebasin.data import shapes as sources
from onebasin.errors import InputError
from onebasin.networks.population import initialise
from onebasin.networks.siren import Siren, shared_initialisation
from onebasin.shapes.clouds import Mesh, normalise, normalise_mesh
from onebasin.shapes.fitting import Settings, fit
from onebasin.shapes.recipes import FRAME

NAME = "inr-population"
artifacts.declare(NAME, "INRs of many shapes, for the encoder to read")


@dataclass(frozen=True)
class Member:
    """One INR of a population.

    Args:
        shape: Name ``source/name``; see :mod:`onebasin.data.shapes`.
        number: Number of its draws among those of the shape.
        start: 0 for the shared initialisation, else the number of another one.
        stretch: 0 for the shape as it is, else the number of a distortion.
    """

    shape: str
    number: int = 0
    start: int = 0
    stretch: int = 0


@dataclass(frozen=True)
class Population:
    """Fitted INRs of many shapes.

    Args:
        settings: How they were made.
        members: What each of them is.
        states: Their parameters, stacked.
        clouds: What each was fitted to.
        loss: Loss of the last step's batch (nats).
    """

    settings: Settings
    members: tuple[Member, ...]
    states: dict[str, Tensor]
    clouds: Float[Tensor, "models points 3"]
    loss: Float[Tensor, " models"]

    def pick(self, indices: Sequence[int], device: torch.device | str = "cpu") -> dict[str, Tensor]:
        """The networks at these positions, stacked."""
        rows = torch.as_tensor(list(indices))
        return {name: tensor[rows].to(device) for name, tensor in self.states.items()}

    def index(self, member: Member) -> int:
        """Position of a member.

        Raises:
            InputError: if it is not one of them.
        """
        if member not in self.members:
            raise InputError("member", member, "was not fitted by this recipe")
        return self.members.index(member)


def population(
    members: Sequence[Member],
    settings: Settings,
    *,
    together: int = 32,
    limit: float = 1.5,
    budget_seconds: float = 3600.0,
) -> artifacts.Recipe:
    r"""The recipe of these INRs.

    Args:
        members: What to fit, each once.
        settings: How each INR is made.
        together: How many are fitted at once and stored in one shard.
        limit: A distortion scales every axis by a factor between ``1 / limit`` and ``limit``
            ([deluigi2023]: 1.5), uniform in between, and normalises again.
        budget_seconds: Time the whole recipe may take.

    Raises:
        InputError: if there is no member, one comes twice, or a number is impossible.
    """
    if not members or len(set(members)) != len(members):
        raise InputError("members", len(members), "name at least one, each once")
    if together < 1 or limit < 1:
        raise InputError("together", (together, limit), "together and limit start at 1")
    every = [[one.shape, one.number, one.start, one.stretch] for one in members]
    shards = [{"inrs": every[k : k + together]} for k in range(0, len(every), together)]
    params = {"settings": settings.to_json(), "limit": limit, "frame": FRAME, "dtype": "float32"}
    data = sources.sources([one.shape for one in members])
    return artifacts.Recipe(NAME, params, data, shards, budget_seconds=budget_seconds)


def make(recipe: artifacts.Recipe, *, device: torch.device | str = "cpu") -> artifacts.Artifact:
    """Give the recipe's artifact, fitting what is missing on ``device``."""
    return artifacts.make(recipe, partial(_build, device=device), device=device)


def load(artifact: artifacts.Artifact) -> Population:
    """All INRs of an artifact, on the CPU."""
    parts = list(artifact)
    entries = [entry for shard in artifact.recipe.shards for entry in shard["inrs"]]
    parameters = [name for name in parts[0] if name.startswith("layers.")]
    return Population(
        Settings.from_json(artifact.recipe.params["settings"]),
        tuple(Member(*entry) for entry in entries),
        {name: torch.cat([part[name] for part in parts]) for name in parameters},
        torch.cat([part["clouds"] for part in parts]),
        torch.cat([part["loss"] for part in parts]),
    )


def first_weights(network: Siren, number: int) -> dict[str, Tensor]:
    """Where an INR of this start begins: 0 is the shared initialisation, others are drawn.

    Raises:
        InputError: for a negative number.
    """
    if number < 0:
        raise InputError("start", number, "count from 0")
    if number == 0:
        return shared_initialisation(network)
    drawn = initialise(network, [(*network.widths, number)], stream="start")
    return {name: tensor[0] for name, tensor in drawn.items()}


def stretched(surface: sources.Surface, number: int, limit: float) -> sources.Surface:
    """A shape with every axis scaled by a factor of its own, back in the unit ball.

    Args:
        surface: The shape.
        number: 0 returns it unchanged; every other number is a draw.
        limit: Largest factor, and one over the smallest.
    """
    if number == 0:
        return surface
    generator = seeds.stream(f"stretch/{surface.name}", number)
    draw = torch.rand(3, generator=generator, dtype=torch.float64)
    factors = 1 / limit + draw * (limit - 1 / limit)
    name = f"{surface.name}/{number}"
    if surface.mesh is not None:
        mesh = normalise_mesh(Mesh(surface.mesh.vertices * factors, surface.mesh.faces))
        return replace(surface, name=name, mesh=mesh)
    cloud = normalise(surface.cloud.double() * factors).float()  # type: ignore[union-attr]
    return replace(surface, name=name, cloud=cloud)


def _build(values: Mapping[str, Any], *, device: torch.device | str) -> dict[str, Tensor]:
    members = [Member(*entry) for entry in values["inrs"]]
    settings = Settings.from_json(values["settings"])
    network = settings.network(device)
    names = list(dict.fromkeys(one.shape for one in members))
    known = dict(zip(names, sources.surfaces(names), strict=True))
    training, clouds = fit(
        [stretched(known[one.shape], one.stretch, values["limit"]) for one in members],
        [one.number for one in members],
        starts=[first_weights(network, one.start) for one in members],
        settings=settings,
        device=device,
    )
    return {**training.states, "loss": training.loss[-1], "clouds": clouds}
