"""A spec with structured axes, taken apart until every axis is one group or stays.

Concatenated axes split a tensor into several, products become several axes, and a grouped
convolution becomes the dense one that it is, zero outside its blocks. The permuted pieces are the
pieces of the permuted whole, so that a matcher need know no other kind of spec than the plain one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from onebasin.symmetry.axes import Entry, Inner, factors, length, named, segments

Axes: TypeAlias = tuple[Entry, ...]


def is_plain(axes: Axes) -> bool:
    """Whether every axis is one group or stays."""
    return all(entry is None or isinstance(entry, str) for entry in axes)


def pieces(name: str, axes: Axes) -> Iterator[tuple[str, tuple[int, ...], Axes]]:
    """Name, place (number of the segment on each axis) and plain axes of every piece."""
    if is_plain(axes):
        yield name, (0,) * len(axes), axes
        return
    grid = itertools.product(*(range(len(segments(entry))) for entry in axes))
    split = any(len(segments(entry)) > 1 for entry in axes)
    for number, place in enumerate(grid):
        flat = tuple(
            plain for at, entry in zip(place, axes, strict=True) for plain in _at(entry, at)
        )
        yield f"{name}[{number}]" if split else name, place, flat


def unfold(axes: Axes, tensor: Tensor, sizes: Mapping[str, int], lead: int) -> Iterator[Tensor]:
    """The pieces of a tensor, in the order of :func:`pieces`; views where that is possible.

    Args:
        axes: Entries of the tensor's axes.
        tensor: With ``lead`` leading dimensions (0 or 1) before those axes.
        sizes: Units of every group.
        lead: Number of leading dimensions.
    """
    if any(isinstance(entry, Inner) for entry in axes):
        tensor = dense(tensor, sizes[named(axes[1])[0]], lead)
    lengths = [_lengths(e, tensor.shape[k + lead], sizes) for k, e in enumerate(axes)]
    for place in itertools.product(*(range(len(each)) for each in lengths)):
        part, shape = tensor, [*tensor.shape[:lead]]
        for axis, at in enumerate(place):
            part = part.narrow(axis + lead, sum(lengths[axis][:at]), lengths[axis][at])
            shape += _shape(segments(axes[axis])[at], lengths[axis][at], sizes)
        yield part.reshape(shape)


def fold(axes: Axes, parts: list[Tensor], blocks: int, lead: int) -> Tensor:
    """Put the pieces of :func:`unfold` together again.

    Args:
        axes: Entries of the whole tensor's axes.
        parts: Its pieces, in order.
        blocks: Number of blocks of a grouped convolution, otherwise without meaning.
        lead: Number of leading dimensions.
    """
    counts = [len(segments(entry)) for entry in axes]
    whole = []
    for part, place in zip(parts, itertools.product(*map(range, counts)), strict=True):
        shape, at = [*part.shape[:lead]], lead
        for entry, number in zip(axes, place, strict=True):
            dims = 1 if isinstance(entry, Inner) else len(factors(segments(entry)[number]))
            shape.append(math.prod(part.shape[at : at + dims]))
            at += dims
        whole.append(part.reshape(shape))
    for axis in reversed(range(len(axes))):
        step = counts[axis]
        rows = [whole[k : k + step] for k in range(0, len(whole), step)]
        whole = [row[0] if step == 1 else torch.cat(row, axis + lead) for row in rows]
    if any(isinstance(entry, Inner) for entry in axes):
        return diagonal(whole[0], blocks, lead)
    return whole[0]


def dense(tensor: Tensor, fan: int, lead: int) -> Tensor:
    """A grouped convolution's weight ``[out, fan / blocks, ...]`` as ``[out, fan, ...]``."""
    units, inner = tensor.shape[lead], tensor.shape[lead + 1]
    blocks = fan // inner
    shape = [*tensor.shape[:lead], blocks, units // blocks, inner, *tensor.shape[lead + 2 :]]
    rows = tensor.reshape(shape).unsqueeze(lead + 2)  # [blocks out/blocks 1 inner ...]
    eye = torch.eye(blocks, dtype=tensor.dtype, device=tensor.device)
    eye = eye.reshape(blocks, 1, blocks, 1, *(1 for _ in tensor.shape[lead + 2 :]))
    return (rows * eye).reshape(*tensor.shape[: lead + 1], fan, *tensor.shape[lead + 2 :])


def diagonal(tensor: Tensor, blocks: int, lead: int) -> Tensor:
    """What :func:`dense` was made from."""
    units, fan = tensor.shape[lead], tensor.shape[lead + 1]
    rest = tensor.shape[lead + 2 :]
    split = tensor.reshape(
        *tensor.shape[:lead], blocks, units // blocks, blocks, fan // blocks, *rest
    )
    kept = split.diagonal(dim1=lead, dim2=lead + 2).movedim(-1, lead)
    return kept.reshape(*tensor.shape[:lead], units, fan // blocks, *rest)


def _at(entry: Entry, number: int) -> Iterator[str | None]:
    if isinstance(entry, Inner):
        yield entry.group
        return
    for factor in factors(segments(entry)[number]):
        yield factor if isinstance(factor, str) else None


def _lengths(entry: Entry, whole: int, sizes: Mapping[str, int]) -> list[int]:
    parts = segments(entry)
    return [whole] if len(parts) == 1 else [length(part, sizes) or 0 for part in parts]


def _shape(part: Entry | int, whole: int, sizes: Mapping[str, int]) -> list[int]:
    if isinstance(part, str | int | Inner) or part is None:
        return [whole]
    return [sizes[f] if isinstance(f, str) else f for f in factors(part)]
