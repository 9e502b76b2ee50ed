"""3D shapes: clouds and meshes, distance labels, INRs fitted to them, and clouds read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebasin import lazy

if TYPE_CHECKING:
    from onebasin.shapes.clouds import Mesh, farthest_points, normalise, sample_surface
    from onebasin.shapes.udf import Counts, distance, labels, queries

__all__ = [
    "Counts",
    "Mesh",
    "distance",
    "farthest_points",
    "labels",
    "normalise",
    "queries",
    "sample_surface",
]

__getattr__, __dir__ = lazy.names(
    __name__,
    {
        "clouds": ["Mesh", "farthest_points", "normalise", "sample_surface"],
        "udf": ["Counts", "distance", "labels", "queries"],
    },
)
