"""VGG11 and VGG16 for small images, with a width and a choice of normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.networks.parts import (
    Captured,
    Norm,
    Seen,
    affine_axes,
    norm_axes,
    normalisation,
    with_statistics,
)
from onebasin.symmetry.spec import Spec

#: Channels of every convolution in units of the width, one tuple up to each pooling.
_STAGES: dict[int, tuple[tuple[int, ...], ...]] = {
    11: ((1,), (2,), (4, 4), (8, 8), (8, 8)),
    16: ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8)),
}


class Vgg(Captured):
    """Convolutions 3 x 3 in five stages, each ending in pooling, then dense layers.

    Source: [ainsworth2023], §5.3, VGG16 with layer normalisation after every hidden layer and, as
    in the authors' code, two hidden dense layers of 8 times the width. VGG11 with ``hidden=()`` is
    the one of [jordan2023], whose head is a single dense layer.

    Args:
        depth: 11 or 16.
        width: Channels of the first convolution.
        hidden: Units of every hidden dense layer; by default two of ``8 * width`` for VGG16 and
            none for VGG11.
        norm: ``"layer"`` over the channels at each pixel, ``"batch"`` or ``"none"``.
        inputs: Channels of the image.
        classes: Outputs.
        side: Height and width of the image, 32 pixels or more.
        generator: Stream of the initial draw; by default ``seeds.stream("init", 0)``.

    Raises:
        InputError: for another depth, an impossible width, or an image too small.
    """

    def __init__(
        self,
        depth: Literal[11, 16] = 16,
        width: int = 64,
        *,
        hidden: Sequence[int] | None = None,
        norm: Norm = "layer",
        inputs: int = 3,
        classes: int = 10,
        side: int = 32,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if depth not in _STAGES or width < 1:
            raise InputError("depth, width", (depth, width), "depth is 11 or 16, width 1 or more")
        if side < 32:
            raise InputError("side", side, "five poolings need 32 pixels; pad the images")
        default = (8 * width,) * 2 if depth == 16 else ()
        self.hidden = tuple(default if hidden is None else hidden)
        self.norm: Norm = norm
        self.pixels = (side // 32) ** 2
        stages = [[width * factor for factor in stage] for stage in _STAGES[depth]]
        self.ends = [sum(map(len, stages[: k + 1])) - 1 for k in range(len(stages))]
        widths = [units for stage in stages for units in stage]
        pairs = pairwise((inputs, *widths))
        self.convs = nn.ModuleList(nn.Conv2d(fan, units, 3, padding=1) for fan, units in pairs)
        self.conv_norms = nn.ModuleList(normalisation(norm, units) for units in widths)
        flat = pairwise((widths[-1] * self.pixels, *self.hidden))
        self.dense = nn.ModuleList(nn.Linear(fan, units) for fan, units in flat)
        self.dense_norms = nn.ModuleList(_dense_norm(norm, units) for units in self.hidden)
        self.head = nn.Linear((widths[-1] * self.pixels, *self.hidden)[-1], classes)
        self.redraw(generator)

    def compute(self, x: Tensor, seen: Seen) -> Tensor:
        """The logits; see :class:`onebasin.networks.parts.Captured`."""
        for index, (conv, norm) in enumerate(zip(self.convs, self.conv_norms, strict=True)):
            x = seen.pass_through(f"conv.{index}", torch.relu, norm(conv(x)))
            if index in self.ends:
                x = nn.functional.max_pool2d(x, 2)
        x = x.flatten(1)
        for index, (dense, norm) in enumerate(zip(self.dense, self.dense_norms, strict=True)):
            x = seen.pass_through(f"dense.{index}", torch.relu, norm(dense(x)))
        return self.head(x)

    @property
    def spec(self) -> Spec:
        """One group for every convolution and every hidden dense layer.

        If pixels are left before the dense layers, each channel stands for a block of columns.
        """
        from onebasin.symmetry.axes import Product

        axes: dict = {}
        below: Any = None
        for index in range(len(self.convs)):
            units = f"conv.{index}"
            axes |= affine_axes(f"convs.{index}", units, below, kernel=True)
            axes |= norm_axes(f"conv_norms.{index}", self.norm, units)
            below = units
        below = below if self.pixels == 1 else Product(below, self.pixels)
        for index in range(len(self.hidden)):
            units = f"dense.{index}"
            axes |= affine_axes(f"dense.{index}", units, below, kernel=False)
            axes |= norm_axes(f"dense_norms.{index}", self.norm, units)
            below = units
        return with_statistics(axes | dict(affine_axes("head", None, below, kernel=False)))


def _dense_norm(kind: Norm, units: int) -> nn.Module:
    return nn.BatchNorm1d(units) if kind == "batch" else normalisation(kind, units)
