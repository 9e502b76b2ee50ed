"""Solids to build shapes from: Open3D's primitives, placed, tapered and joined."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch

from onebasin.errors import InputError
from onebasin.shapes.clouds import Mesh

Triple = tuple[float, float, float]
ORIGIN: Triple = (0.0, 0.0, 0.0)


def _open3d():
    os.environ.setdefault("OPEN3D_DISABLE_WEB_VISUALIZER", "true")
    import open3d

    return open3d


def _mesh(raw, centre: Triple) -> Mesh:
    vertices = np.asarray(raw.vertices) + np.asarray(centre)
    return Mesh(torch.from_numpy(vertices), torch.from_numpy(np.asarray(raw.triangles).copy()))


def box(size: Triple, centre: Triple = ORIGIN) -> Mesh:
    """A box of the given edge lengths around its centre."""
    _check(size)
    raw = _open3d().geometry.TriangleMesh.create_box(*size)
    low = [c - s / 2 for c, s in zip(centre, size, strict=True)]
    return _mesh(raw, (low[0], low[1], low[2]))


def cylinder(
    radius: float, height: float, centre: Triple = ORIGIN, *, top: float | None = None
) -> Mesh:
    """An upright cylinder, or a frustum if ``top`` gives another radius for its upper end."""
    _check((radius, height, radius if top is None else top))
    raw = _open3d().geometry.TriangleMesh.create_cylinder(radius, height, resolution=32, split=4)
    vertices = np.asarray(raw.vertices).copy()
    upper = radius if top is None else top
    share = vertices[:, 2] / height + 0.5
    vertices[:, :2] *= (1 + share * (upper / radius - 1))[:, None]
    raw.vertices = _open3d().utility.Vector3dVector(vertices)
    return _mesh(raw, centre)


def tube(radius: float, height: float, centre: Triple = ORIGIN, *, top: float) -> Mesh:
    """The side of an upright frustum, open at both ends."""
    closed = cylinder(radius, height, centre, top=top)
    low, high = centre[2] - height / 2, centre[2] + height / 2
    heights = closed.corners()[:, :, 2]
    flat = ((heights - low).abs() < 1e-9).all(1) | ((heights - high).abs() < 1e-9).all(1)
    return Mesh(closed.vertices, closed.faces[~flat])


def ellipsoid(radii: Triple, centre: Triple = ORIGIN) -> Mesh:
    """A sphere stretched along the axes."""
    _check(radii)
    raw = _open3d().geometry.TriangleMesh.create_sphere(1.0, resolution=16)
    raw.vertices = _open3d().utility.Vector3dVector(np.asarray(raw.vertices) * np.asarray(radii))
    return _mesh(raw, centre)


def ring(radius: float, thickness: float, centre: Triple = ORIGIN) -> Mesh:
    """An upright torus in the plane of x and z; ``thickness`` is the radius of its tube."""
    _check((radius, thickness))
    raw = _open3d().geometry.TriangleMesh.create_torus(radius, thickness, 32, 16)
    turned = np.asarray(raw.vertices)[:, [0, 2, 1]]
    raw.vertices = _open3d().utility.Vector3dVector(turned)
    return _mesh(raw, centre)


def sheared(mesh: Mesh, axis: int, by: int, slope: float, *, at: float = 0.0) -> Mesh:
    """Shift coordinate ``axis`` by ``slope`` times the distance from ``at`` along ``by``."""
    vertices = mesh.vertices.clone()
    vertices[:, axis] += slope * (vertices[:, by] - at).abs()
    return Mesh(vertices, mesh.faces)


def joined(parts: Sequence[Mesh]) -> Mesh:
    """All triangles of several meshes as one mesh; parts may overlap.

    Raises:
        InputError: if there is no part.
    """
    if not parts:
        raise InputError("parts", [], "join at least one mesh")
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    faces = [part.faces + int(at) for part, at in zip(parts, starts, strict=True)]
    return Mesh(torch.cat([part.vertices for part in parts]), torch.cat(faces))


def _check(sizes: Sequence[float]) -> None:
    if not all(0 < size < float("inf") for size in sizes):
        raise InputError("size", tuple(sizes), "every length must be positive and finite")
