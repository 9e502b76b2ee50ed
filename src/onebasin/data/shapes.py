"""Real shapes by name: the meshes and clouds of the packs, and generated ones beside them.

A shape is named ``source/name``, e.g. ``modelnet40_meshes/chair_0001``, ``classic_meshes/spot``,
``modelnet40_airplanes10k/airplane_0042`` or ``generated/lamp_7``; z is up in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from onebasin.data import packs
from onebasin.errors import InputError
from onebasin.shapes.clouds import Mesh, normalise, normalise_mesh, sample_surface

MESH_PACKS = ("modelnet40_meshes", "classic_meshes")
CLOUD_PACKS = (
    "modelnet40_airplanes10k",
    "modelnet40_dense20k",
    "modelnet40_subset1024",
    "modelnet40_points1024_train",
    "modelnet40_points1024_test",
)
GENERATED = "generated"


@dataclass(frozen=True)
class Surface:
    """A shape that clouds are drawn from, inside the unit ball.

    Args:
        name: ``source/name``.
        category: What it is, e.g. ``"chair"``.
        mesh: Its triangles, or None if only points are known.
        cloud: Its points, or None if there is a mesh.
    """

    name: str
    category: str
    mesh: Mesh | None = None
    cloud: Float[Tensor, "points 3"] | None = None

    def sample(self, points: int, *, generator: torch.Generator) -> Float[Tensor, "points 3"]:
        """A random cloud: uniform by area from a mesh, without replacement from a cloud.

        Raises:
            InputError: if the cloud has fewer points than asked for.
        """
        if self.mesh is not None:
            return sample_surface(self.mesh, points, generator=generator)
        cloud = self.cloud if self.cloud is not None else torch.empty(0, 3)
        if not 1 <= points <= len(cloud):
            raise InputError("points", points, f"{self.name} has {len(cloud)} points")
        return cloud[torch.randperm(len(cloud), generator=generator)[:points]]


def names(source: str) -> list[str]:
    """Names ``source/name`` of all shapes of a pack, in the pack's order.

    Raises:
        InputError: if the pack holds no shapes; and as :func:`onebasin.data.packs.load`.
    """
    if source not in MESH_PACKS + CLOUD_PACKS:
        raise InputError("source", source, f"choose one of {sorted(MESH_PACKS + CLOUD_PACKS)}")
    return [f"{source}/{name}" for name in packs.load(source)["names"]]


def surface(name: str) -> Surface:
    """The shape called ``source/name``, normalised to the unit ball.

    Args:
        name: E.g. ``modelnet40_meshes/chair_0001`` or ``generated/chair_3``.

    Returns:
        A surface to draw clouds from.

    Raises:
        InputError: if there is no such source or shape.
        MissingDataError, CorruptFileError: as :func:`onebasin.data.packs.load`.
    """
    return surfaces([name])[0]


def surfaces(shapes: Sequence[str]) -> list[Surface]:
    """Many shapes, reading every pack once; names and errors as for :func:`surface`."""
    held: dict[str, dict[str, np.ndarray]] = {}
    return [_surface(name, held) for name in shapes]


def _surface(name: str, held: dict[str, dict[str, np.ndarray]]) -> Surface:
    source, _, single = name.partition("/")
    if source == GENERATED:
        from onebasin.shapes import families

        return Surface(name, single.rpartition("_")[0], mesh=families.named(single).mesh)
    if source not in MESH_PACKS + CLOUD_PACKS:
        known = sorted((*MESH_PACKS, *CLOUD_PACKS, GENERATED))
        raise InputError("shape", name, f"write source/name with a source of {known}")
    arrays = held[source] if source in held else held.setdefault(source, packs.load(source))
    found = np.flatnonzero(arrays["names"] == single)
    if not len(found):
        raise InputError("shape", name, f"is not in the pack; the first is {arrays['names'][0]}")
    index = int(found[0])
    category = _category(arrays, index)
    if source in MESH_PACKS:
        return Surface(name, category, mesh=normalise_mesh(_mesh(arrays, index)))
    return Surface(name, category, cloud=normalise(_cloud(source, arrays["points"][index])))


def sources(shapes: list[str]) -> dict[str, str]:
    """File name and SHA-256 of every pack that the shapes come from, for records and recipes."""
    used = sorted({name.partition("/")[0] for name in shapes} - {GENERATED})
    return {packs.pack(source).file: packs.pack(source).sha256 for source in used}


def _category(arrays: dict[str, np.ndarray], index: int) -> str:
    if "categories" in arrays:
        return str(arrays["categories"][index])
    return str(arrays["names"][index]).rpartition("_")[0]


def _mesh(arrays: dict[str, np.ndarray], index: int) -> Mesh:
    vertices = slice(*arrays["v_offset"][index : index + 2])
    faces = slice(*arrays["f_offset"][index : index + 2])
    return Mesh(torch.tensor(arrays["vertices"][vertices]), torch.tensor(arrays["faces"][faces]))


def _cloud(source: str, points: np.ndarray) -> Tensor:
    scale = 10_000 if points.dtype == np.int16 else 1
    cloud = torch.tensor(points.astype(np.float32) / scale)
    if source == "modelnet40_airplanes10k":  # y is up in this file, and its noses point backwards
        cloud = torch.stack([-cloud[:, 0], cloud[:, 2], cloud[:, 1]], dim=1)
    return cloud
