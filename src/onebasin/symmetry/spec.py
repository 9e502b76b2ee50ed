"""A network's symmetry as data: which axes of which tensors share a group of hidden units."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from onebasin.errors import InputError

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Spec:
    """Which group of units each axis of each tensor belongs to.

    A *group* is a set of interchangeable hidden units. Axis 0 of a tensor is the incoming side of
    its units, every later axis the outgoing side: an element of the group moves the weights on
    both, so that the network's function stays what it is. ``None`` marks an axis that stays.

    Args:
        axes: Tensor name to the group of each of its axes, e.g.
            ``{"layers.0.weight": ("hidden.0", None), "layers.0.bias": ("hidden.0",)}``.
    """

    axes: Mapping[str, tuple[str | None, ...]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", {name: tuple(on) for name, on in self.axes.items()})

    def __hash__(self) -> int:
        return hash(tuple(sorted((name, on) for name, on in self.axes.items())))

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """All groups, in the order in which the tensors first name them."""
        named = (group for on in self.axes.values() for group in on if group is not None)
        return tuple(dict.fromkeys(named))

    def occurrences(self, group: str) -> tuple[tuple[str, int], ...]:
        """Every (tensor name, axis) on which ``group`` acts."""
        return tuple(
            (name, axis)
            for name, on in self.axes.items()
            for axis, found in enumerate(on)
            if found == group
        )

    def neighbours(self, group: str) -> frozenset[str]:
        """The other groups that share a tensor with ``group``: what its matching depends on."""
        shared = {other for name, _ in self.occurrences(group) for other in self.axes[name]}
        return frozenset(other for other in shared if other not in (None, group))

    def models(self, state: State) -> int | None:
        """Length of the leading models dimension, ``None`` for a single network.

        Raises:
            InputError: if a tensor is missing, or some have the dimension and some do not.
        """
        for name in self.axes:
            if name not in state:
                raise InputError("state", sorted(state), f"lacks the tensor {name!r} of the spec")
        found = {
            None if state[name].ndim == len(on) else len(state[name])
            for name, on in self.axes.items()
            if state[name].ndim in (len(on), len(on) + 1)
        }
        bad = [name for name, on in self.axes.items() if state[name].ndim - len(on) not in (0, 1)]
        if bad or len(found) > 1:
            shapes = {name: tuple(state[name].shape) for name in bad or self.axes}
            remedy = (
                "gives each tensor one axis per entry of the spec, "
                "with the same leading models dimension on all or on none"
            )
            raise InputError("state", shapes, f"does not fit the spec: pass a state that {remedy}")
        return found.pop() if found else None

    def sizes(self, state: State) -> dict[str, int]:
        """Number of units of each group.

        Raises:
            InputError: if two axes of one group differ in length.
        """
        lead = 0 if self.models(state) is None else 1
        found: dict[str, int] = {}
        for group in self.groups:
            lengths = {
                (name, axis): state[name].shape[axis + lead]
                for name, axis in self.occurrences(group)
            }
            if len(set(lengths.values())) > 1:
                raise InputError(
                    "state", lengths, f"axes of group {group!r} must have one common length"
                )
            found[group] = next(iter(lengths.values()))
        return found

    def check(self, state: State, name: str = "state", *, finite: bool = True) -> None:
        """Refuse a state that does not fit this spec.

        Args:
            state: Tensors of one network or of a stack.
            name: What the caller calls it, for the message.
            finite: Whether NaN and infinite entries are refused too.

        Raises:
            InputError: naming the argument, what is wrong and the remedy.
        """
        extra = sorted(set(state) - set(self.axes))
        if extra:
            raise InputError(name, extra, "tensors unknown to the spec; leave them out or add them")
        try:
            self.sizes(state)
        except InputError as error:
            raise InputError(name, error.value, error.remedy) from None
        for key, on in self.axes.items():
            tensor = state[key]
            if any(on) and not tensor.is_floating_point():
                raise InputError(
                    f"{name}[{key!r}]", tensor.dtype, "weights must be real; convert with .float()"
                )
            if finite:
                _check_finite(tensor, f"{name}[{key!r}]")

    def check_pair(self, ref: State, other: State) -> None:
        """Refuse two states that cannot be aligned with one another.

        Raises:
            InputError: on a difference in names, shapes, dtype or device, or entries not finite.
        """
        self.check(ref, "ref", finite=False)
        self.check(other, "other", finite=False)
        for key in self.axes:
            for what in ("shape", "dtype", "device"):
                mine, theirs = getattr(ref[key], what), getattr(other[key], what)
                if mine != theirs:
                    raise InputError(
                        f"other[{key!r}]",
                        theirs if what != "shape" else tuple(theirs),
                        f"{what} differs from that of ref, {_plain(mine)}; "
                        "pass two networks of one architecture, dtype and device",
                    )
            for name, state in (("ref", ref), ("other", other)):
                _check_finite(state[key], f"{name}[{key!r}]")

    def to_json(self) -> str:
        """This spec as JSON text, tensors in order."""
        return json.dumps({name: list(on) for name, on in self.axes.items()})

    @staticmethod
    def from_json(text: str) -> Spec:
        """The spec written by :meth:`to_json`.

        Raises:
            InputError: if ``text`` is not such a spec.
        """
        try:
            return Spec({str(name): tuple(on) for name, on in json.loads(text).items()})
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError("text", text, "is not a spec; pass what to_json returned") from error


def chain(layers: int, prefix: str = "layers") -> Spec:
    """Spec of a fully connected network whose layers follow one another (MLP, SIREN).

    Args:
        layers: Number of linear layers, output layer included; ``layers - 1`` groups of units.
        prefix: Tensors are named ``prefix.k.weight`` and ``prefix.k.bias``.

    Raises:
        InputError: if there is no layer.
    """
    if layers < 1:
        raise InputError("layers", layers, "needs at least one layer")
    axes: dict[str, tuple[str | None, ...]] = {}
    for layer in range(layers):
        above = f"hidden.{layer}" if layer < layers - 1 else None
        below = f"hidden.{layer - 1}" if layer > 0 else None
        axes[f"{prefix}.{layer}.weight"] = (above, below)
        axes[f"{prefix}.{layer}.bias"] = (above,)
    return Spec(axes)


def all_finite(tensor: Tensor) -> bool:
    """Whether no entry is NaN or infinite; one fast sum decides unless it overflows."""
    return bool(torch.isfinite(tensor.detach().sum())) or bool(torch.isfinite(tensor).all())


def _check_finite(tensor: Tensor, name: str) -> None:
    if tensor.is_floating_point() and not all_finite(tensor):
        remedy = "has entries that are not finite; retrain or remove this network"
        raise InputError(name, "NaN or infinite", remedy)


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, torch.Size) else value
