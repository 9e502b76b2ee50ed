"""Random changes of images during training: turned, scaled, shifted, mirrored."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """How far images are changed; each image by a draw of its own.

    Args:
        turn_degrees: Largest rotation to either side.
        zoom: Smallest and largest factor of the part of the image that is shown.
        shift_pixels: Largest shift along each axis, whole pixels.
        mirror: Whether every other image, on average, is mirrored.
    """

    turn_degrees: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    shift_pixels: int = 0
    mirror: bool = True


AUGMENTATIONS: dict[str, Augmentation | None] = {
    "none": None,
    "shift": Augmentation(shift_pixels=4),
    "affine": Augmentation(turn_degrees=30, zoom=(0.8, 1.2)),
    "both": Augmentation(turn_degrees=15, shift_pixels=4),
}
"""By name: none; the crop of residual networks; Git Re-Basin's; neuron alignment's."""


def augment(
    images: Float[Tensor, "batch channels height width"],
    how: Augmentation,
    generator: torch.Generator,
) -> Float[Tensor, "batch channels height width"]:
    """Each image under an affine map of its own, bilinear, zero outside.

    Args:
        images: A batch; not changed.
        how: Limits of the draw.
        generator: Stream of the draw, on the CPU.
    """
    height, width = images.shape[-2:]
    grid = torch.nn.functional.affine_grid(
        _maps(len(images), (height, width), how, generator).to(images),
        list(images.shape),
        align_corners=False,
    )
    sampled = torch.nn.functional.grid_sample(images, grid, align_corners=False)
    return sampled


def _maps(
    count: int, size: tuple[int, int], how: Augmentation, generator: torch.Generator
) -> Float[Tensor, "count 2 3"]:
    """From places in the new image to places in the old one, both in [-1, 1]."""
    draw = torch.rand(5, count, generator=generator, dtype=torch.float64)
    angle = (2 * draw[0] - 1) * math.radians(how.turn_degrees)
    zoom = how.zoom[0] + draw[1] * (how.zoom[1] - how.zoom[0])
    mirror = torch.where(draw[2] < 0.5, -1.0, 1.0) if how.mirror else torch.ones(count)
    steps = ((2 * how.shift_pixels + 1) * draw[3:]).floor() - how.shift_pixels
    maps = torch.zeros(count, 2, 3, dtype=torch.float64)
    maps[:, 0, 0], maps[:, 0, 1] = mirror * zoom * angle.cos(), -zoom * angle.sin()
    maps[:, 1, 0], maps[:, 1, 1] = mirror * zoom * angle.sin(), zoom * angle.cos()
    maps[:, 0, 2], maps[:, 1, 2] = 2 * steps[0] / size[1], 2 * steps[1] / size[0]
    return maps
