"""Axes that hold more than one group: flattened positions, branches side by side, blocks of units.

An axis of a tensor is described by an *entry*: ``None`` (it stays), the name of a group, or one of
the forms of this module. Nothing here knows of networks: an entry is data, and the functions spread
what a group does to its units along the whole axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from jaxtyping import Int
from torch import Tensor

from onebasin.errors import InputError


@dataclass(frozen=True, init=False)
class Product:
    """An axis over all combinations of its factors, the first factor slowest.

    ``Product("conv", 49)`` is a flattened ``[conv, 7, 7]``: each unit stands for 49 consecutive
    entries. ``Product(49, "conv")`` is the same with the channels last.

    Args:
        factors: Names of groups, each with its units; whole numbers, lengths that stay.
    """

    factors: tuple[str | int, ...]

    def __init__(self, *factors: str | int) -> None:
        if not factors or not all(_is_name(part) or _is_length(part) for part in factors):
            raise InputError("factors", factors, "must be names of groups and whole numbers")
        object.__setattr__(self, "factors", factors)

    def __repr__(self) -> str:
        return f"Product({', '.join(map(repr, self.factors))})"


@dataclass(frozen=True, init=False)
class Concat:
    """An axis of several segments, one after another.

    ``Concat("left", 3, Product("right", 4))`` has the units of one group, three entries that stay,
    and four entries for each unit of another group.

    Args:
        parts: Names of groups, whole numbers (lengths that stay), or products.
    """

    parts: tuple[str | int | Product, ...]

    def __init__(self, *parts: str | int | Product) -> None:
        if not parts or not all(
            _is_name(part) or _is_length(part) or isinstance(part, Product) for part in parts
        ):
            raise InputError("parts", parts, "must be names, whole numbers or products")
        object.__setattr__(self, "parts", parts)

    def __repr__(self) -> str:
        return f"Concat({', '.join(map(repr, self.parts))})"


@dataclass(frozen=True)
class Inner:
    """Axis 1 of a grouped convolution: the inputs inside the block that the output belongs to.

    Args:
        group: A group made of blocks (see ``nested`` of a spec), as many as the convolution has.
    """

    group: str


Entry: TypeAlias = str | Product | Concat | Inner | None


def normal(entry: Entry) -> Entry:
    """The shortest entry with the same meaning; lengths that stay are joined where they touch."""
    if isinstance(entry, Product):
        factors = _joined([f for f in entry.factors if f != 1], math.prod)
        return _unless_alone(factors, Product)
    if isinstance(entry, Concat):
        parts = [_as_part(part) for part in entry.parts]
        return _unless_alone(_joined(parts, sum), Concat)
    return entry


def named(entry: Entry) -> tuple[str, ...]:
    """The groups of an entry, in order, each as often as it stands there."""
    if isinstance(entry, Inner):
        return (entry.group,)
    return tuple(name for part in segments(entry) for name in factors(part) if _is_name(name))


def segments(entry: Entry) -> tuple[Any, ...]:
    """The parts of a concatenation; any other entry is its own only part."""
    return entry.parts if isinstance(entry, Concat) else (entry,)


def factors(part: Any) -> tuple[Any, ...]:
    """The factors of a product; any other part is its own only factor."""
    return part.factors if isinstance(part, Product) else (part,)


def renamed(entry: Entry, names: Mapping[str, str]) -> Entry:
    """The same entry with groups renamed; groups that ``names`` does not list keep their name."""
    if isinstance(entry, str):
        return names.get(entry, entry)
    if isinstance(entry, Inner):
        return Inner(names.get(entry.group, entry.group))
    if isinstance(entry, Product):
        return Product(*(names.get(f, f) if isinstance(f, str) else f for f in entry.factors))
    if isinstance(entry, Concat):
        return Concat(*(p if isinstance(p, int) else renamed(p, names) for p in entry.parts))  # type: ignore[arg-type]
    return None


def length(part: Any, sizes: Mapping[str, int]) -> int | None:
    """Length of an axis or part, ``None`` if it is any or a group's size is not known."""
    if isinstance(part, Concat):
        lengths = [length(one, sizes) for one in part.parts]
        return None if None in lengths else sum(lengths)  # type: ignore[arg-type]
    known = [sizes.get(f) if isinstance(f, str) else f for f in factors(part)]
    return None if None in known else math.prod(known)  # type: ignore[arg-type]


def missing(entry: Entry, whole: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """The size of the one group of an axis of length ``whole`` that is not known yet, if so."""
    unknown = {name for name in named(entry) if name not in sizes}
    if len(unknown) != 1 or isinstance(entry, Inner):
        return {}
    name = unknown.pop()
    rest, per_unit = whole, 0
    for part in segments(entry):
        others = [f for f in factors(part) if f != name]
        count = math.prod(sizes[f] if isinstance(f, str) else f for f in others)
        if len(others) < len(factors(part)):
            per_unit += count
        else:
            rest -= count
    return {name: rest // per_unit} if rest > 0 and rest % per_unit == 0 else {}


def index(entry: Entry, perms: Mapping[str, Tensor]) -> Int[Tensor, "*models length"]:
    """Where every position of the axis takes its entry from: a permutation of the whole axis."""
    device = perms[named(entry)[0]].device
    whole, offset = [], 0
    for part in segments(entry):
        row = torch.zeros(1, dtype=torch.long, device=device)
        for factor in factors(part):
            step = perms[factor] if _is_name(factor) else torch.arange(factor, device=device)
            row = (row.unsqueeze(-1) * step.shape[-1] + step.unsqueeze(-2)).flatten(-2)
        whole.append(row + offset)
        offset += row.shape[-1]
    return _side_by_side(whole)


def spread(entry: Entry, values: Mapping[str, Tensor]) -> Tensor:
    """One value per unit, spread along the axis ``[*models length]``; what stays gets 1.

    Where several groups multiply to one entry (a product), so do their values.
    """
    like = values[named(entry)[0]]
    whole = []
    for part in segments(entry):
        row = like.new_ones(1)
        for factor in factors(part):
            step = values[factor] if _is_name(factor) else like.new_ones(factor)
            row = (row.unsqueeze(-1) * step.unsqueeze(-2)).flatten(-2)
        whole.append(row)
    return _side_by_side(whole)


def to_data(entry: Entry) -> Any:
    """The entry as what JSON can hold."""
    if isinstance(entry, Product):
        return {"product": list(entry.factors)}
    if isinstance(entry, Concat):
        return {"concat": [p if isinstance(p, int) else to_data(p) for p in entry.parts]}
    return {"inner": entry.group} if isinstance(entry, Inner) else entry


def from_data(data: Any) -> Entry:
    """The entry that :func:`to_data` wrote.

    Raises:
        ValueError: if it is none.
    """
    if data is None or isinstance(data, str):
        return data
    if isinstance(data, dict) and len(data) == 1:
        kind, value = next(iter(data.items()))
        if kind == "product":
            return Product(*value)
        if kind == "concat":
            return Concat(*(p if isinstance(p, int) else from_data(p) for p in value))  # type: ignore[arg-type]
        if kind == "inner" and isinstance(value, str):
            return Inner(value)
    raise ValueError(f"{data!r} is not an axis")


def _is_name(part: Any) -> bool:
    return isinstance(part, str) and bool(part)


def _is_length(part: Any) -> bool:
    return isinstance(part, int) and not isinstance(part, bool) and part > 0


def _as_part(part: str | int | Product) -> Any:
    if isinstance(part, Product):
        if not any(_is_name(f) for f in part.factors):
            return math.prod(part.factors)
        return normal(part)
    return part


def _joined(parts: list, join: Any) -> list:
    done: list = []
    for part in parts:
        if done and isinstance(part, int) and isinstance(done[-1], int):
            done[-1] = join([done[-1], part])
        else:
            done.append(part)
    return done


def _unless_alone(parts: list, kind: Any) -> Entry:
    if all(isinstance(part, int) for part in parts):
        return None
    return parts[0] if len(parts) == 1 else kind(*parts)


def _side_by_side(rows: list[Tensor]) -> Tensor:
    models = {row.shape[:-1] for row in rows if row.ndim > 1}
    lead = models.pop() if models else ()
    return torch.cat([row.expand(*lead, row.shape[-1]) for row in rows], -1)
