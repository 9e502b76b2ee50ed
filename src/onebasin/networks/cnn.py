"""The convolutional classifier of Deep-Align: seven convolutions and one dense layer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.networks.parts import Captured, Seen, affine_axes
from onebasin.symmetry.spec import Spec


class Cnn(Captured):
    """Convolutions 3 x 3 with ReLU, three of them followed by pooling, then one dense layer.

    Source: [navon2024], Table 4, whose dense layer reads 2048 numbers: the 128 channels of the last
    convolution at 4 x 4 pixels each, one block of 16 columns for every channel.

    Args:
        widths: Channels of every convolution.
        pools: Convolutions, counted from one, that are followed by 2 x 2 max pooling.
        inputs: Channels of the image.
        classes: Outputs.
        side: Height and width of the image (pixels).
        generator: Stream of the initial draw; by default ``seeds.stream("init", 0)``.

    Raises:
        InputError: for impossible widths, or an image too small for the pooling.
    """

    rule = "uniform"

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 32, 64, 64, 128, 128),
        pools: Sequence[int] = (3, 5, 7),
        *,
        inputs: int = 3,
        classes: int = 10,
        side: int = 32,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.widths, self.pools = tuple(widths), tuple(pools)
        self.pixels = (side // 2 ** len(self.pools)) ** 2
        if not self.widths or min(self.widths) < 1:
            raise InputError("widths", self.widths, "give each convolution a channel or more")
        if self.pixels < 1:
            raise InputError("side", side, f"is too small to be halved {len(self.pools)} times")
        pairs = pairwise((inputs, *self.widths))
        self.convs = nn.ModuleList(nn.Conv2d(fan, units, 3, padding=1) for fan, units in pairs)
        self.head = nn.Linear(self.widths[-1] * self.pixels, classes)
        self.redraw(generator)

    def compute(self, x: Tensor, seen: Seen) -> Tensor:
        """The logits; see :class:`onebasin.networks.parts.Captured`."""
        for index, conv in enumerate(self.convs):
            x = seen.pass_through(f"conv.{index}", torch.relu, conv(x))
            if index + 1 in self.pools:
                x = nn.functional.max_pool2d(x, 2)
        return self.head(x.flatten(1))

    @property
    def spec(self) -> Spec:
        """One group for the channels of every convolution.

        Behind the last one every channel stands for as many columns of the dense layer as there are
        pixels left, which move as one block.
        """
        from onebasin.symmetry.axes import Product

        axes: dict = {}
        below: Any = None
        for index in range(len(self.widths)):
            units = f"conv.{index}"
            axes |= affine_axes(f"convs.{index}", units, below, kernel=True)
            below = units
        flat = below if self.pixels == 1 else Product(below, self.pixels)
        return Spec(axes | dict(affine_axes("head", None, flat, kernel=False)))
