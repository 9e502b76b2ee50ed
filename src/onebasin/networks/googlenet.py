"""GoogLeNet for small images: inception blocks, whose branches are concatenated."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.networks.parts import (
    Captured,
    Seen,
    affine_axes,
    norm_axes,
    normalisation,
    with_statistics,
)
from onebasin.symmetry.spec import Spec

#: Channels of every block: 1 x 1; before and in 3 x 3; before and in 5 x 5; behind the pooling.
#: None stands for a max pooling that halves the image.
_BLOCKS = (
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    None,
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    None,
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)
_STEM = 192
#: Name, kernel and what it reads, for the six convolutions of a block.
_CONVS = (
    ("one", 1, "input"),
    ("three_in", 1, "input"),
    ("three", 3, "three_in"),
    ("five_in", 1, "input"),
    ("five", 5, "five_in"),
    ("pool", 1, "pooled"),
)
_BRANCHES = ("one", "three", "five", "pool")


class Inception(nn.Module):
    """Four branches side by side: 1 x 1, 3 x 3, 5 x 5, and pooling; each with normalisation."""

    def __init__(self, fan: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        sizes = {"input": fan, "pooled": fan}
        for (name, kernel, source), units in zip(_CONVS, widths, strict=True):
            conv = nn.Conv2d(sizes[source], units, kernel, padding=kernel // 2, bias=False)
            self.add_module(name, conv)
            self.add_module(f"{name}_norm", normalisation("batch", units))
            sizes[name] = units
        self.units = sum(sizes[name] for name in _BRANCHES)

    def compute(self, x: Tensor, seen: Seen, block: str) -> Tensor:
        """The branches' outputs, concatenated along the channels."""
        parts = {"input": x, "pooled": nn.functional.max_pool2d(x, 3, 1, 1)}
        for name, _, source in _CONVS:
            pre = getattr(self, f"{name}_norm")(getattr(self, name)(parts[source]))
            parts[name] = seen.pass_through(f"{block}.{name}", torch.relu, pre)
        return torch.cat([parts[name] for name in _BRANCHES], 1)


class GoogLeNet(Captured):
    """A 3 x 3 convolution, nine inception blocks, global average pooling, dense layer.

    Source: szegedy2015, Table 1, with batch normalisation; [tatro2020], Table 1. For small images
    the stem is one convolution of 192 channels; there are no auxiliary heads and no dropout, which
    play no part once a network is trained.

    Args:
        width: Factor of all widths.
        inputs: Channels of the image.
        classes: Outputs.
        generator: Stream of the initial draw; by default ``seeds.stream("init", 0)``.

    Raises:
        InputError: for a width that leaves no channel.
    """

    def __init__(
        self,
        width: float = 1,
        *,
        inputs: int = 3,
        classes: int = 10,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if int(16 * width) < 1:
            raise InputError("width", width, "leaves a branch without a channel")
        fan = int(_STEM * width)
        self.stem = nn.Conv2d(inputs, fan, 3, padding=1, bias=False)
        self.stem_norm = normalisation("batch", fan)
        self.blocks = nn.ModuleList()
        for widths in _BLOCKS:
            if widths is None:
                self.blocks.append(nn.MaxPool2d(3, 2, 1))
            else:
                block = Inception(fan, tuple(int(units * width) for units in widths))
                self.blocks.append(block)
                fan = block.units
        self.head = nn.Linear(fan, classes)
        self.redraw(generator)

    def compute(self, x: Tensor, seen: Seen) -> Tensor:
        """The logits; see :class:`onebasin.networks.parts.Captured`."""
        x = seen.pass_through("stem", torch.relu, self.stem_norm(self.stem(x)))
        for index, block in enumerate(self.blocks):
            if isinstance(block, Inception):
                x = block.compute(x, seen, f"block.{index}")
            else:
                x = block(x)
        return self.head(x.mean((2, 3)))

    @property
    def spec(self) -> Spec:
        """One group for the stem and for every convolution inside a block.

        What reads a block reads the channels of its four branches one branch after another.
        """
        from onebasin.symmetry.axes import Concat

        axes = dict(affine_axes("stem", "stem", None, kernel=True, bias=False))
        axes |= norm_axes("stem_norm", "batch", "stem")
        below: Any = "stem"
        for index, block in enumerate(self.blocks):
            if not isinstance(block, Inception):
                continue
            group, module = f"block.{index}", f"blocks.{index}"
            for name, _, source in _CONVS:
                outer = source in ("input", "pooled")
                fan = below if outer else f"{group}.{source}"
                units = f"{group}.{name}"
                axes |= affine_axes(f"{module}.{name}", units, fan, kernel=True, bias=False)
                axes |= norm_axes(f"{module}.{name}_norm", "batch", units)
            below = Concat(*(f"{group}.{name}" for name in _BRANCHES))
        return with_statistics(axes | dict(affine_axes("head", None, below, kernel=False)))
