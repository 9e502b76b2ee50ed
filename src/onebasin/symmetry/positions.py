"""What pooling, resizing, padding and shuffling do to axes of positions and channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onebasin.symmetry import atoms
from onebasin.symmetry.atoms import Axis
from onebasin.symmetry.rules import rule
from onebasin.symmetry.tracing import Trace, Traced

KERNEL = "positions under a kernel"


def fix_all(axes: Sequence[Axis], reason: str) -> None:
    """Several axes stay, for one reason."""
    for axis in axes:
        atoms.fix(axis, reason)


@rule("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d")
@rule("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "upsample_bilinear2d")
@rule("adaptive_max_pool1d", "adaptive_max_pool2d", "upsample_nearest2d", "upsample_bicubic2d")
@rule("upsample_nearest1d", "upsample_linear1d", "upsample_trilinear3d")
@rule("reflection_pad1d", "reflection_pad2d", "replication_pad2d", "max_pool2d_with_indices")
def pooled(trace: Trace, x: Traced, *args: Any, **kwargs: Any) -> Any:
    """Neighbouring positions, the last axes, are put together."""
    name, values = str(trace.node.target).split(".")[-2], trace.node.meta["val"]
    several = isinstance(values, tuple | list)
    shape = tuple(map(int, (values[0] if several else values).shape))
    digits = [c for c in name if c in "123"]
    count = int(digits[0]) if digits else len(x.axes) - 2
    whole = "adaptive" in name and set(shape[-count:]) == {1}
    if not whole:
        fix_all(x.axes[-count:], "positions that are pooled or resized")
    axes = [*x.axes[:-count], *(atoms.new(k, "positions that are pooled") for k in shape[-count:])]
    out = trace.value(axes)
    return (out, out) if several else out


@rule("grid_sampler", "grid_sampler_2d", "grid_sampler_3d")
def sampled(trace: Trace, x: Traced, grid: Traced, *args: Any, **kwargs: Any) -> Traced:
    """Every entry of the grid asks for the channels at one position, by its last axis."""
    fix_all([*x.axes[2:], grid.axes[-1]], "positions that are looked up")
    return trace.value([atoms.unify(x.axes[0], grid.axes[0]), x.axes[1], *grid.axes[1:-1]])


@rule("pad", "constant_pad_nd")
def padded(trace: Trace, x: Traced, widths: Sequence[int], *args: Any, **kwargs: Any) -> Traced:
    """Equal entries on either side of an axis."""
    mode = next((a for a in args if isinstance(a, str)), kwargs.get("mode", "constant"))
    axes = list(x.axes)
    for number in range(len(widths) // 2):
        axis, (before, after) = len(axes) - 1 - number, widths[2 * number : 2 * number + 2]
        if before == after == 0:
            continue
        if mode != "constant" or before < 0 or after < 0:
            atoms.fix(axes[axis], "padded by its own entries")
            axes[axis] = atoms.new(trace.shape[axis], "padded by its own entries")
        else:
            sides = [atoms.new(k) if k else () for k in (before, after)]
            axes[axis] = (*sides[0], *axes[axis], *sides[1])
    return trace.value(axes)


@rule("pixel_shuffle")
def pixel_shuffle(trace: Trace, x: Traced, factor: int) -> Traced:
    """Channels come in blocks, one entry for each place of a small square."""
    channels, inner = atoms.factor(x.axes[-3], (x.shape[-3] // factor**2, factor**2))
    atoms.fix(inner, "channels that become positions")
    fix_all(x.axes[-2:], KERNEL)
    positions = [atoms.new(size, KERNEL) for size in trace.shape[-2:]]
    return trace.value([*x.axes[:-3], channels, *positions])


@rule("pixel_unshuffle")
def pixel_unshuffle(trace: Trace, x: Traced, factor: int) -> Traced:
    """Positions of small squares become channels, behind each channel."""
    fix_all(x.axes[-2:], KERNEL)
    inner = atoms.new(factor**2, "positions that become channels")
    positions = [atoms.new(size, KERNEL) for size in trace.shape[-2:]]
    return trace.value([*x.axes[:-3], atoms.merge([x.axes[-3], inner]), *positions])


@rule("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(trace: Trace, x: Traced, groups: int) -> Traced:
    """Channels in blocks, read across the blocks."""
    blocks, inner = atoms.factor(x.axes[1], (groups, x.shape[1] // groups))
    return trace.value([x.axes[0], atoms.merge([inner, blocks]), *x.axes[2:]])
