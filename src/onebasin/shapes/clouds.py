"""Point clouds and triangle meshes: checks, the unit ball, points on a surface, spread-out points.

Every random draw takes a generator, so a cloud is a function of its shape and a named stream.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin.errors import InputError


@dataclass(frozen=True)
class Mesh:
    """Triangles in space; loose parts and any winding are allowed.

    Args:
        vertices: Coordinates.
        faces: Vertex numbers of each triangle.

    Raises:
        InputError: if there is no triangle with an area, a coordinate is not finite, or a face
            names a vertex that does not exist.
    """

    vertices: Float[Tensor, "vertices 3"]
    faces: Int[Tensor, "faces 3"]

    def __post_init__(self) -> None:
        vertices = torch.as_tensor(self.vertices, dtype=torch.float64)
        faces = torch.as_tensor(self.faces, dtype=torch.int64)
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)
        check_points(vertices, "vertices")
        if faces.ndim != 2 or faces.shape[1] != 3 or len(faces) == 0:
            raise InputError("faces", tuple(faces.shape), "give at least one row of three numbers")
        if faces.min() < 0 or faces.max() >= len(vertices):
            raise InputError("faces", int(faces.max()), f"there are {len(vertices)} vertices")
        if not self.areas().sum() > 0:
            raise InputError("faces", "flat", "at least one triangle needs an area above 0")

    def corners(self) -> Float[Tensor, "faces 3 3"]:
        """Coordinates of the three corners of every triangle."""
        return self.vertices[self.faces]

    def areas(self) -> Float[Tensor, " faces"]:
        """Area of every triangle (squared units of the vertices)."""
        a, b, c = self.corners().unbind(1)
        return torch.linalg.vector_norm(torch.linalg.cross(b - a, c - a), dim=1) / 2


def check_points(points: Tensor, name: str = "cloud") -> None:
    """Refuse anything that is not a finite, non-empty list of points in space.

    Raises:
        InputError: that names the argument and says what a cloud is.
    """
    if points.ndim != 2 or points.shape[1] != 3 or len(points) == 0:
        raise InputError(name, tuple(points.shape), "give at least one row of three coordinates")
    if not torch.isfinite(points).all():
        raise InputError(name, "not finite", "remove NaN and infinite coordinates")


def normalise(points: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
    """Move the mean to the origin and the farthest point to distance 1.

    Source: [deluigi2023] (their preparation of clouds).

    Raises:
        InputError: for an empty cloud, one that is not finite, or one whose points all coincide.
    """
    check_points(points)
    centred = points - points.mean(dim=0)
    radius = torch.linalg.vector_norm(centred, dim=1).max()
    if not radius > 1e-9 * (1 + points.abs().max()):
        raise InputError(
            "cloud", "a point", "its points coincide, so there is no size to divide by"
        )
    return centred / radius


def normalise_mesh(mesh: Mesh) -> Mesh:
    """Move the centroid of the surface to the origin and the farthest used vertex to distance 1.

    All samplings of one mesh then share one frame, which clouds normalised one by one would not.
    """
    areas = mesh.areas()
    centroid = (mesh.corners().mean(dim=1) * areas[:, None]).sum(dim=0) / areas.sum()
    centred = mesh.vertices - centroid
    radius = torch.linalg.vector_norm(centred[mesh.faces.unique()], dim=1).max()
    return Mesh(centred / radius, mesh.faces)


def sample_surface(
    mesh: Mesh, points: int, *, generator: torch.Generator
) -> Float[Tensor, "points 3"]:
    """Points drawn uniformly by area from the triangles of a mesh.

    Args:
        mesh: The surface.
        points: How many.
        generator: Stream of the draw (CPU).

    Returns:
        Coordinates in float32, in random order, so that every prefix is a fair sample.

    Raises:
        InputError: if ``points`` is below 1.
    """
    if points < 1:
        raise InputError("points", points, "draw at least one point")
    reach = mesh.areas().cumsum(dim=0)
    draw = torch.rand(points, 3, generator=generator, dtype=torch.float64)
    face = torch.searchsorted(reach, draw[:, 0] * reach[-1], right=True).clamp(max=len(reach) - 1)
    a, b, c = mesh.corners()[face].unbind(1)
    # The square root makes the two fractions uniform over the triangle (Turk 1990).
    across, along = draw[:, 1:2].sqrt(), draw[:, 2:3]
    spot = (1 - across) * a + across * (1 - along) * b + across * along * c
    return spot.to(torch.float32)


def farthest_points(
    cloud: Float[Tensor, "points 3"], count: int, *, start: int = 0
) -> Float[Tensor, "count 3"]:
    """Greedy choice of points that are as far from each other as possible.

    Args:
        cloud: Points to choose from.
        count: How many to choose.
        start: Row of the first one.

    Returns:
        The chosen points in the order of choice. Cost O(points count) time.

    Raises:
        InputError: if there are fewer points than asked for, or ``start`` is not one of them.
    """
    check_points(cloud)
    if not 1 <= count <= len(cloud):
        raise InputError("count", count, f"choose between 1 and {len(cloud)} points")
    if not 0 <= start < len(cloud):
        raise InputError("start", start, f"choose a row between 0 and {len(cloud) - 1}")
    chosen = torch.empty(count, dtype=torch.int64, device=cloud.device)
    distance = torch.full((len(cloud),), float("inf"), dtype=cloud.dtype, device=cloud.device)
    current = torch.tensor(start, device=cloud.device)
    for index in range(count):
        chosen[index] = current
        distance = torch.minimum(distance, (cloud - cloud[current]).square().sum(dim=1))
        current = distance.argmax()
    return cloud[chosen]
