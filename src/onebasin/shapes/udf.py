r"""Unsigned distance labels: where to ask for the distance, and what an INR is to answer there.

The label of a point is :math:`1 - \min(d, \tau) / \tau`: 1 on the surface, 0 at the truncation
distance :math:`\tau` and beyond; it is the target of a binary cross-entropy. The distance
:math:`d` is that to the cloud the INR is fitted to, or to a mesh if one is given.

Source: [ballerini2023], ch. 3; counts and spreads as used by [deluigi2023].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from onebasin.errors import InputError
from onebasin.shapes.clouds import Mesh, check_points


@dataclass(frozen=True)
class Counts:
    """How many points to ask at which distance of the cloud, and how far that is.

    The defaults are the thesis's 500,000; inr2vec's own code asks 100,000 on the surface besides.

    Args:
        close: Points displaced by the first spread.
        medium: By the second.
        far: By the third.
        uniform: Points anywhere in the cube [-1, 1]^3.
        surface: Points of the cloud itself.
        spreads: Standard deviation of each displacement (radius of the shape is 1).
    """

    close: int = 250_000
    medium: int = 200_000
    far: int = 25_000
    uniform: int = 25_000
    surface: int = 0
    spreads: tuple[float, float, float] = (0.003, 0.01, 0.1)

    def __post_init__(self) -> None:
        counts = (self.close, self.medium, self.far, self.uniform, self.surface)
        if min(counts) < 0 or sum(counts) == 0:
            raise InputError("counts", counts, "none may be negative and one must be above 0")

    @property
    def total(self) -> int:
        """All points together."""
        return self.close + self.medium + self.far + self.uniform + self.surface

    def scaled(self, total: int) -> Counts:
        """The same proportions with about ``total`` points."""
        factor = total / self.total
        names = ("close", "medium", "far", "uniform", "surface")
        sizes = {name: round(getattr(self, name) * factor) for name in names}
        return Counts(**sizes, spreads=self.spreads)


def queries(
    cloud: Float[Tensor, "points 3"], counts: Counts, *, generator: torch.Generator
) -> Float[Tensor, "samples 3"]:
    """Points around a cloud at which an INR is to know its distance.

    Every point of the cloud is displaced equally often (up to one); displaced points are clipped
    to the cube [-1, 1]^3.

    Args:
        cloud: The cloud, inside the unit ball.
        counts: How many points at which distance.
        generator: Stream of the draw (CPU).

    Returns:
        Close, medium, far, uniform and surface points, in this order, in float32.

    Raises:
        InputError: for an empty cloud or one that is not finite.
    """
    check_points(cloud)
    cloud = cloud.to(torch.float32)
    parts = []
    around = zip((counts.close, counts.medium, counts.far), counts.spreads, strict=True)
    for count, spread in around:
        noise = torch.randn(count, 3, generator=generator)
        parts.append(cloud[torch.arange(count) % len(cloud)] + spread * noise)
    parts.append(2 * torch.rand(counts.uniform, 3, generator=generator) - 1)
    again = torch.randint(len(cloud), (counts.surface,), generator=generator)
    parts.append(cloud[again])
    return torch.cat(parts).clamp_(-1, 1)


def labels(
    points: Float[Tensor, "samples 3"], surface: Tensor | Mesh, truncation: float = 0.1
) -> Float[Tensor, " samples"]:
    r"""The answer an INR is to give, :math:`1 - \min(d, \tau)/\tau`.

    Args:
        points: Where it is asked.
        surface: The cloud it is fitted to, ``[points 3]``, or a mesh.
        truncation: :math:`\tau` (radius of the shape is 1).

    Returns:
        Labels in [0, 1], float32, on the device of ``points``.

    Raises:
        InputError: for an empty cloud, one that is not finite, or a truncation of 0 or less.
    """
    if not 0 < truncation < float("inf"):
        raise InputError("truncation", truncation, "give a positive, finite distance")
    distances = distance(points, surface, limit=truncation)
    return 1 - distances.clamp(0, truncation) / truncation


def distance(
    points: Float[Tensor, "samples 3"], surface: Tensor | Mesh, *, limit: float = float("inf")
) -> Float[Tensor, " samples"]:
    """Distance of each point to the nearest point of a cloud or of a mesh.

    Args:
        points: Points in space.
        surface: ``[points 3]`` or a mesh (needs Open3D).
        limit: Distances above it may be returned as infinite, which makes the search shorter.

    Returns:
        Distances in float32 (units of the coordinates), on the device of ``points``.

    Raises:
        InputError: for an empty cloud or one that is not finite.
    """
    check_points(points, "points")
    if isinstance(surface, Mesh):
        found = _to_mesh(points, surface)
    else:
        check_points(surface)
        found = _to_cloud(points, surface, limit)
    return found.to(points.device)


def _to_cloud(points: Tensor, cloud: Tensor, limit: float) -> Tensor:
    if points.device.type == "cpu":
        from scipy.spatial import cKDTree

        tree = cKDTree(cloud.cpu().double().numpy())
        # The bound is strict, so ask a little farther to keep distances equal to the limit.
        bound = limit * (1 + 1e-6)
        found, _ = tree.query(points.double().numpy(), distance_upper_bound=bound, workers=-1)
        return torch.from_numpy(found.astype(np.float32))
    rows = max(1, (1 << 28) // len(cloud))
    cloud = cloud.to(points)
    near = [
        torch.cdist(part, cloud, compute_mode="donot_use_mm_for_euclid_dist").amin(dim=1)
        for part in points.split(rows)
    ]
    return torch.cat(near)


def _to_mesh(points: Tensor, mesh: Mesh) -> Tensor:
    import os

    os.environ.setdefault("OPEN3D_DISABLE_WEB_VISUALIZER", "true")
    import open3d

    scene = open3d.t.geometry.RaycastingScene()
    vertices = mesh.vertices.numpy().astype(np.float32)
    faces = mesh.faces.numpy().astype(np.uint32)
    scene.add_triangles(open3d.core.Tensor(vertices), open3d.core.Tensor(faces))
    asked = open3d.core.Tensor(np.ascontiguousarray(points.cpu().float().numpy()))
    return torch.from_numpy(scene.compute_distance(asked).numpy())
