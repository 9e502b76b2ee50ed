"""What every group element is made of: tensors per group of units, singly or in a stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from onebasin.errors import InputError
from onebasin.symmetry import storage
from onebasin.symmetry.spec import Spec

Kind = TypeVar("Kind", bound="GroupElement")


@dataclass(frozen=True, eq=False)
class GroupElement:
    """Container of a symmetry's element: what does not depend on how it moves weights.

    A kind of element is a subclass: a frozen dataclass whose first field is the spec, whose fields
    named in ``parts`` map each group to a tensor ``[*models units]``, and whose other fields are
    plain values that one stack shares.

    Args:
        spec: The groups.

    Raises:
        InputError: if a part lacks a group, or the tensors do not form one stack.
    """

    kind: ClassVar[str]
    parts: ClassVar[tuple[str, ...]]

    spec: Spec

    def __post_init__(self) -> None:
        for part in self.parts:
            object.__setattr__(self, part, dict(getattr(self, part)))
            check_groups(self.spec, getattr(self, part), part)

    @property
    def models(self) -> int | None:
        """Number of elements in the stack, ``None`` for a single one."""
        return models_of(getattr(self, self.parts[0]))

    @property
    def sizes(self) -> dict[str, int]:
        """Number of units of each group."""
        return {group: t.shape[-1] for group, t in getattr(self, self.parts[0]).items()}

    def select(self: Kind, model: int) -> Kind:
        """One element of the stack."""
        return self._each(lambda tensor: tensor[model])

    def to(self: Kind, device: torch.device | str) -> Kind:
        """The same element on another device."""
        return self._each(lambda tensor: tensor.to(device))

    @classmethod
    def stack(cls: type[Kind], elements: Sequence[Kind]) -> Kind:
        """A stack of single elements of one spec."""
        joined: dict[str, Any] = {
            part: {
                group: torch.stack([getattr(one, part)[group] for one in elements])
                for group in elements[0].spec.groups
            }
            for part in cls.parts
        }
        return replace(elements[0], **joined)

    @classmethod
    def concatenate(cls: type[Kind], stacks: Sequence[Kind]) -> Kind:
        """One stack of several stacks of elements of one spec."""
        joined: dict[str, Any] = {
            part: {
                group: torch.cat([getattr(one, part)[group] for one in stacks])
                for group in stacks[0].spec.groups
            }
            for part in cls.parts
        }
        return replace(stacks[0], **joined)

    def check_same(self: Kind, first: Kind) -> None:
        """Refuse to combine elements of different specs, sizes, stacks or plain values.

        Raises:
            InputError: naming what differs.
        """
        if self.spec != first.spec:
            raise InputError(
                "first", first.spec.groups, "belongs to another spec; use one for both"
            )
        check_sizes(self.sizes, first.sizes)
        if None not in (self.models, first.models) and self.models != first.models:
            raise InputError("first", f"{first.models} models", f"must be a stack of {self.models}")
        for name, mine in self._values().items():
            if first._values()[name] != mine:
                raise InputError(f"first.{name}", first._values()[name], f"must be {mine} too")

    def save(self, path: Path | str) -> None:
        """Write to a safetensors file, atomically, the spec as JSON in its header."""
        tensors = {part: getattr(self, part) for part in self.parts}
        storage.write(path, self.kind, self.spec, tensors, self._values())

    @classmethod
    def load(cls: type[Kind], path: Path | str) -> Kind:
        """Read a file written by :meth:`save`; nothing is unpickled.

        Raises:
            CorruptFileError: if the file is damaged.
            InputError: if it holds something else.
        """
        spec, tensors, values = storage.read(path, cls.kind, cls.parts)
        return cls(spec, **tensors, **values)

    def _each(self: Kind, change: Callable[[Tensor], Tensor]) -> Kind:
        changed: dict[str, Any] = {
            part: {group: change(tensor) for group, tensor in getattr(self, part).items()}
            for part in self.parts
        }
        return replace(self, **changed)

    def _values(self) -> dict[str, Any]:
        plain = (field.name for field in fields(self) if field.name not in ("spec", *self.parts))
        return {name: getattr(self, name) for name in plain}


def models_of(tensors: Mapping[str, Tensor]) -> int | None:
    """Length of the models dimension of per-group tensors ``[*models units]``."""
    first = next(iter(tensors.values()), None)
    return None if first is None or first.ndim == 1 else len(first)


def check_groups(spec: Spec, tensors: Mapping[str, Tensor], name: str) -> None:
    """Refuse per-group tensors that do not cover the spec's groups in one common stack."""
    if set(tensors) != set(spec.groups):
        raise InputError(name, sorted(tensors), f"needs one entry per group {list(spec.groups)}")
    leads = {tuple(tensor.shape[:-1]) for tensor in tensors.values()}
    if len(leads) > 1 or any(tensor.ndim not in (1, 2) for tensor in tensors.values()):
        shapes = {group: tuple(tensor.shape) for group, tensor in tensors.items()}
        raise InputError(name, shapes, "each entry must be [units], or [models units] on all")


def check_sizes(mine: Mapping[str, int], theirs: Mapping[str, int]) -> None:
    """Refuse an element for other numbers of units than the state has."""
    for group, units in mine.items():
        if theirs[group] != units:
            raise InputError(
                f"state, group {group!r}",
                f"{theirs[group]} units",
                f"the element moves {units}; use one made for this architecture",
            )


def along(factor: Tensor, axis: int, ndim: int) -> Tensor:
    """``factor`` ``[*models units]`` viewed so that it multiplies ``axis`` of a tensor."""
    shape = [1] * ndim
    shape[axis] = factor.shape[-1]
    if factor.ndim == 2:
        shape[0] = len(factor)
    return factor.reshape(shape)
