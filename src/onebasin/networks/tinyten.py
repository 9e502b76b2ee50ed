"""TinyTen, the narrow ten-layer convolutional network of neuron alignment."""

from __future__ import annotations

from itertools import pairwise

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

#: Channels, kernel and stride of the eight convolutions; none of them pads.
_LAYERS = (
    (16, 3, 1),
    (16, 3, 1),
    (32, 3, 2),
    (32, 3, 1),
    (32, 3, 1),
    (64, 3, 2),
    (64, 3, 1),
    (64, 1, 1),
)


class TinyTen(Captured):
    """Eight convolutions, each with normalisation and ReLU, global average pooling, dense layer.

    Source: [tatro2020], §4 and Table 1, the layers as in the authors' code. With batch
    normalisation and ``width=1`` it is theirs; ``norm="layer"`` normalises over the channels at
    each pixel, as Git Re-Basin's networks do.

    Args:
        width: Factor of all widths.
        norm: ``"batch"``, ``"layer"`` or ``"none"``.
        inputs: Channels of the image, 28 x 28 pixels or larger.
        classes: Outputs.
        generator: Stream of the initial draw; by default ``seeds.stream("init", 0)``.

    Raises:
        InputError: for a width that leaves no channel, or an unknown normalisation.
    """

    rule = "xavier"

    def __init__(
        self,
        width: float = 1,
        *,
        norm: Norm = "batch",
        inputs: int = 3,
        classes: int = 10,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        widths = [int(units * width) for units, _, _ in _LAYERS]
        if min(widths) < 1:
            raise InputError("width", width, "leaves a layer without a channel")
        self.norm: Norm = norm
        shapes = zip(pairwise((inputs, *widths)), _LAYERS, strict=True)
        self.convs = nn.ModuleList(
            nn.Conv2d(fan, units, kernel, stride=stride)
            for (fan, units), (_, kernel, stride) in shapes
        )
        self.norms = nn.ModuleList(normalisation(norm, units) for units in widths)
        self.head = nn.Linear(widths[-1], classes)
        self.redraw(generator)

    def compute(self, x: Tensor, seen: Seen) -> Tensor:
        """The logits; see :class:`onebasin.networks.parts.Captured`."""
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = seen.pass_through(f"conv.{index}", torch.relu, norm(conv(x)))
        return self.head(x.mean((2, 3)))

    @property
    def spec(self) -> Spec:
        """One group for the channels of every convolution; its normalisation moves along."""
        axes: dict = {}
        below = None
        for index in range(len(_LAYERS)):
            units = f"conv.{index}"
            axes |= affine_axes(f"convs.{index}", units, below, kernel=True)
            axes |= norm_axes(f"norms.{index}", self.norm, units)
            below = units
        return with_statistics(axes | dict(affine_axes("head", None, below, kernel=False)))
