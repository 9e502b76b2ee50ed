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
    axes: Axes,
    shapes: Shapes,
    groups: Sequence[str],
    nested: Mapping[str, tuple[str, int]],
    units: Mapping[str, int],
) -> dict[str, int]:
    """Number of units of every group, in the order of ``groups``.

    Args:
        axes: The entries of a spec.
        shapes: Shape of every tensor, without a models dimension.
        groups: All groups.
        nested: Groups made of blocks.
        units: Sizes of groups that no axis tells.

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
    sizes = {group: units[group] for group in groups if group in units} | sizes
    sizes |= {b: blocks for b, blocks in nested.values() if b in alone and b not in sizes}
    _solve(rest, sizes, groups)
    _check(rest, sizes, nested)
    return {group: sizes[group] for group in groups}


def _solve(rest: dict[Place, tuple[Entry, int]], sizes: dict[str, int], groups) -> None:
    if left := _spread(rest, sizes, groups):
        places = {place: whole for place, (_, whole) in rest.items()}
        remedy = f"does not tell the units of groups {left}; give them in the spec's units"
        raise InputError("state", places, remedy)


def _spread(rest: Mapping[Place, tuple[Entry, int]], sizes: dict[str, int], groups) -> list[str]:
    """Solve for what can be solved; returns the groups that are left."""
    while True:
        before = len(sizes)
        for entry, whole in rest.values():
            sizes.update(missing(entry, whole, sizes))
        if len(sizes) == before:
            return [group for group in groups if group not in sizes]


def untold(
    axes: Axes, shapes: Shapes, sizes: Mapping[str, int], nested: Mapping[str, tuple[str, int]]
) -> dict[str, int]:
    """The fewest sizes, in order, that have to be told besides the shapes of the tensors.

    Args:
        axes: The entries of a spec.
        shapes: Shape of every tensor.
        sizes: Units of every group, in order.
        nested: Groups made of blocks.
    """
    places = {
        (name, k): (e, shapes[name][k]) for name, on in axes.items() for k, e in enumerate(on)
    }
    rest = {place: (e, whole) for place, (e, whole) in places.items() if e is not None}
    known = {name: blocks for name, blocks in nested.values() if name in sizes}
    told: dict[str, int] = {}
    while left := _spread(rest, known, sizes):
        told[left[0]] = known[left[0]] = sizes[left[0]]
    return told


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
