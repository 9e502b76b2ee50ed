"""Residual networks: ResNet20 and 32 for small images, ResNet50 for large ones."""

from __future__ import annotations

from collections.abc import Sequence
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


class Block(nn.Module):
    """One residual block: convolutions with normalisation, added to its input, then ReLU.

    Args:
        widths: Channels in, after each convolution, the last of them those of the stream.
        kernels: Kernel of each convolution (pixels).
        stride: Stride of the first convolution that has a kernel larger than 1.
        norm: See :func:`onebasin.networks.parts.normalisation`.
        shortcut: Kernel of the convolution on the skip connection where the shapes differ.
    """

    def __init__(
        self,
        widths: Sequence[int],
        kernels: Sequence[int],
        *,
        stride: int,
        norm: Norm,
        shortcut: int,
    ) -> None:
        super().__init__()
        at = next(k for k, size in enumerate(kernels) if size > 1)
        self.convs = nn.ModuleList(
            nn.Conv2d(fan, units, size, stride if k == at else 1, size // 2, bias=False)
            for k, (fan, units, size) in enumerate(zip(widths, widths[1:], kernels, strict=False))
        )
        self.norms = nn.ModuleList(normalisation(norm, units) for units in widths[1:])
        self.skips = stride > 1 or widths[0] != widths[-1]
        if self.skips:
            self.skip = nn.Conv2d(
                widths[0], widths[-1], shortcut, stride, shortcut // 2, bias=False
            )
            self.skip_norm = normalisation(norm, widths[-1])

    def compute(self, x: Tensor, seen: Seen, name: str, stream: str) -> Tensor:
        """The stream behind the block; its inner groups are ``name.0``, ``name.1``, ..."""
        kept = self.skip_norm(self.skip(x)) if self.skips else x
        last = len(self.convs) - 1
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = norm(conv(x))
            if index < last:
                x = seen.pass_through(f"{name}.{index}", torch.relu, x)
        return seen.pass_through(stream, torch.relu, x + kept)

    def axes(self, name: str, norm: Norm, inner: Sequence[str], ends: tuple[str, str]) -> dict:
        """Entries of the spec.

        Args:
            name: Name of the module.
            norm: Its kind of normalisation.
            inner: The groups between its convolutions.
            ends: The group of the stream before and behind it.
        """
        axes: dict = {}
        fans, units = (ends[0], *inner), (*inner, ends[1])
        for k, (above, below) in enumerate(zip(units, fans, strict=True)):
            axes |= affine_axes(f"{name}.convs.{k}", above, below, kernel=True, bias=False)
            axes |= norm_axes(f"{name}.norms.{k}", norm, above)
        if self.skips:
            axes |= affine_axes(f"{name}.skip", ends[1], ends[0], kernel=True, bias=False)
            axes |= norm_axes(f"{name}.skip_norm", norm, ends[1])
        return axes


class Residual(Captured):
    """A stem, stages of residual blocks, global average pooling and a dense layer.

    Args:
        stem: First convolution.
        stages: The blocks of every stage.
        norm: Kind of normalisation.
        tied: Whether the stem's channels are those of the first stage's stream.
        classes: Outputs.
    """

    def __init__(
        self, stem: nn.Conv2d, stages: list[list[Block]], *, norm: Norm, tied: bool, classes: int
    ) -> None:
        super().__init__()
        self.norm: Norm = norm
        self.tied = tied
        self.stem = stem
        self.stem_norm = normalisation(norm, stem.out_channels)
        self.stages: Any = nn.ModuleList(nn.ModuleList(stage) for stage in stages)
        self.head = nn.Linear(stages[-1][-1].convs[-1].out_channels, classes)  # type: ignore[arg-type]

    def compute(self, x: Tensor, seen: Seen) -> Tensor:
        """The logits; see :class:`onebasin.networks.parts.Captured`."""
        first = "stream.0" if self.tied else "stem"
        x = self.pool(seen.pass_through(first, torch.relu, self.stem_norm(self.stem(x))))
        for s, stage in enumerate(self.stages):
            for b, block in enumerate(stage):
                x = block.compute(x, seen, f"block.{s}.{b}", f"stream.{s}")
        return self.head(x.mean((2, 3)))

    def pool(self, x: Tensor) -> Tensor:
        """What happens between stem and first stage."""
        return x

    @property
    def spec(self) -> Spec:
        """One group for the stream of every stage, one for every layer inside a block.

        A skip connection adds a block's input to its output channel by channel, so that all blocks
        of a stage share the group of the stream; a convolution on the skip starts a new one.
        """
        stream = "stream.0" if self.tied else "stem"
        axes = dict(affine_axes("stem", stream, None, kernel=True, bias=False))
        axes |= norm_axes("stem_norm", self.norm, stream)
        for s, stage in enumerate(self.stages):
            for b, block in enumerate(stage):
                inner = [f"block.{s}.{b}.{k}" for k in range(len(block.convs) - 1)]
                ends = (stream, f"stream.{s}")
                axes |= block.axes(f"stages.{s}.{b}", self.norm, inner, ends)
                stream = f"stream.{s}"
        return with_statistics(axes | dict(affine_axes("head", None, stream, kernel=False)))


class ResNet(Residual):
    """ResNet20 or 32 for images of 32 x 32 pixels: three stages of 16, 32 and 64 channels.

    Source: [ainsworth2023], §5.3: layer normalisation over the channels and, as in the authors'
    code, a 3 x 3 convolution on the skip where the stage changes; [tatro2020] has batch
    normalisation and 1 x 1 there.

    Args:
        depth: 20 (three blocks a stage) or 32 (five).
        width: Factor of all widths.
        norm: ``"layer"`` over the channels at each pixel, ``"batch"`` or ``"none"``.
        shortcut: Kernel of the convolution on the skip, 3 or 1 pixels.
        inputs: Channels of the image.
        classes: Outputs.
        generator: Stream of the initial draw; by default ``seeds.stream("init", 0)``.

    Raises:
        InputError: for another depth or shortcut, or a width that leaves no channel.
    """

    def __init__(
        self,
        depth: Literal[20, 32] = 20,
        width: float = 1,
        *,
        norm: Norm = "layer",
        shortcut: Literal[1, 3] = 3,
        inputs: int = 3,
        classes: int = 10,
        generator: torch.Generator | None = None,
    ) -> None:
        if depth not in (20, 32) or shortcut not in (1, 3):
            raise InputError("depth, shortcut", (depth, shortcut), "are 20 or 32, and 1 or 3")
        widths = [int(units * width) for units in (16, 32, 64)]
        if widths[0] < 1:
            raise InputError("width", width, "leaves the first stage without a channel")
        stem = nn.Conv2d(inputs, widths[0], 3, padding=1, bias=False)
        stages: list[list[Block]] = []
        fan = widths[0]
        for s, units in enumerate(widths):
            stages.append([])
            for b in range((depth - 2) // 6):
                stride = 2 if s > 0 and b == 0 else 1
                channels = (fan, units, units)
                block = Block(channels, (3, 3), stride=stride, norm=norm, shortcut=shortcut)
                stages[-1].append(block)
                fan = units
        super().__init__(stem, stages, norm=norm, tied=True, classes=classes)
        self.redraw(generator)


class ResNet50(Residual):
    """ResNet50 with batch normalisation: four stages of bottleneck blocks.

    Source: he2016, Table 1, with the stride in the 3 x 3 convolution, as in the pretrained networks
    that [ainsworth2023], §5.1 align.

    Args:
        width: Channels of the stem; 64 in the paper.
        inputs: Channels of the image.
        classes: Outputs.
        generator: Stream of the initial draw; by default ``seeds.stream("init", 0)``.

    Raises:
        InputError: if there is no channel.
    """

    def __init__(
        self,
        width: int = 64,
        *,
        inputs: int = 3,
        classes: int = 1000,
        generator: torch.Generator | None = None,
    ) -> None:
        if width < 1:
            raise InputError("width", width, "must be 1 or more")
        stem = nn.Conv2d(inputs, width, 7, 2, 3, bias=False)
        stages: list[list[Block]] = []
        fan = width
        for s, blocks in enumerate((3, 4, 6, 3)):
            units = width * 2**s
            stages.append([])
            for b in range(blocks):
                stride = 2 if s > 0 and b == 0 else 1
                channels = (fan, units, units, 4 * units)
                block = Block(channels, (1, 3, 1), stride=stride, norm="batch", shortcut=1)
                stages[-1].append(block)
                fan = 4 * units
        super().__init__(stem, stages, norm="batch", tied=False, classes=classes)
        self.redraw(generator)

    def pool(self, x: Tensor) -> Tensor:
        """Max pooling 3 x 3 with stride 2."""
        return nn.functional.max_pool2d(x, 3, 2, 1)
