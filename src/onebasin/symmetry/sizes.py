"""How many units every group has: read off the axes where a group stands alone, then solved for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from onebasin.errors import InputError
from onebasin.symmetry.axes import Entry, Inner, length, missing

Axes: TypeAlias = Mapping[str, Sequence[Entry]]
Shapes: TypeAlias = Mapping[str, Sequence[int]]
Place: TypeAlias = tuple[str, int]


def measure(
    axes: Axes, shapes: Shapes, groups: Sequence[str], nested: Mapping[str, tuple[str, int]]
) -> dict[str, int]:
    """Number of units of every group, in the order of ``groups``.

    Args:
        axes: The entries of a spec.
        shapes: Shape of every tensor, without a models dimension.
        groups: All groups.
        nested: Groups made of blocks.

    Raises:
        InputError: if axes contradict one another or do not say how many units a group has.
    """
    alone: dict[str, dict[Place, int]] = {group: {} for group in groups}
    rest: dict[Place, tuple[Entry, int]] = {}
    for name, on in axes.items():
        for axis, entry in enumerate(on):
            if isinstance(entry, str):
                alone[entry][name, axis] = shapes[name][axis]
            elif entry is not None:
                rest[name, axis] = (entry, shapes[name][axis])
    for group, lengths in alone.items():
        if len(set(lengths.values())) > 1:
            raise InputError(
                "state", lengths, f"axes of group {group!r} must have one common length"
            )
    sizes = {group: next(iter(lengths.values())) for group, lengths in alone.items() if lengths}
    if not rest and not nested:
        return sizes
    sizes |= {b: blocks for b, blocks in nested.values() if b in alone and b not in sizes}
    _solve(rest, sizes, groups)
    _check(rest, sizes, nested)
    return {group: sizes[group] for group in groups}


def _solve(rest: dict[Place, tuple[Entry, int]], sizes: dict[str, int], groups) -> None:
    open_ = [group for group in groups if group not in sizes]
    while open_:
        for entry, whole in rest.values():
            sizes.update(missing(entry, whole, sizes))
        left = [group for group in groups if group not in sizes]
        if len(left) == len(open_):
            places = {place: whole for place, (_, whole) in rest.items()}
            remedy = f"does not determine the units of groups {left}; check the spec's lengths"
            raise InputError("state", places, remedy)
        open_ = left


def _check(rest: dict[Place, tuple[Entry, int]], sizes: dict[str, int], nested: Mapping) -> None:
    for group, (name, blocks) in nested.items():
        units = sizes.get(group)
        if units is not None and (units % blocks or sizes.get(name, blocks) != blocks):
            remedy = f"group {group!r} must consist of {blocks} blocks {name!r} of equal size"
            raise InputError("state", {group: units, name: sizes.get(name, blocks)}, remedy)
    for (name, axis), (entry, whole) in rest.items():
        if isinstance(entry, Inner):
            wanted: int | None = sizes[entry.group] // nested[entry.group][1]
        else:
            wanted = length(entry, sizes)
        if wanted != whole:
            remedy = f"axis {axis} of tensor {name!r} must have length {wanted}, as {entry!r} says"
            raise InputError("state", whole, remedy)
