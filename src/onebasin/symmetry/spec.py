"""A network's symmetry as data: which axes of which tensors share a group of hidden units."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin.errors import InputError
from onebasin.symmetry import unfolding
from onebasin.symmetry.axes import Entry, Inner, from_data, named, normal, renamed, spread, to_data
from onebasin.symmetry.nested import check_nested, root
from onebasin.symmetry.sizes import measure
from onebasin.symmetry.taps import Tap

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Spec:
    """Which group of units each axis of each tensor belongs to.

    A *group* is a set of interchangeable hidden units. Axis 0 of a tensor is the incoming side of
    its units, every later axis the outgoing side: an element of the group moves the weights on
    both, so that the network's function stays what it is. ``None`` marks an axis that stays. An
    axis may hold several groups: :class:`~onebasin.symmetry.axes.Product` (flattened positions),
    :class:`~onebasin.symmetry.axes.Concat` (branches side by side),
    :class:`~onebasin.symmetry.axes.Inner` (grouped convolutions).

    A group may be made of *blocks* (attention heads, the groups of a group norm): its permutations
    map blocks onto blocks, and all groups with blocks of one name move them alike. See
    :mod:`onebasin.symmetry.nested`.

    Args:
        axes: Tensor name to the entry of each of its axes, e.g.
            ``{"layers.0.weight": ("hidden.0", None), "layers.0.bias": ("hidden.0",)}``.
        nested: Group to the name of its blocks and their number, e.g. ``{"qk": ("heads", 4)}``.
        units: Sizes of groups that no axis tells, because they only stand beside others.
        carried: Tensors that are moved with the others but not compared when networks are matched,
            such as the running statistics of a batch norm. Equality ignores this and what follows.
        fixed: Why an axis stays, by (tensor name, axis).
        taps: Where the activations of a group can be read.
    """

    axes: Mapping[str, tuple[Entry, ...]]
    nested: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    units: Mapping[str, int] = field(default_factory=dict)
    carried: frozenset[str] = field(default=frozenset(), compare=False)
    fixed: Mapping[tuple[str, int], str] = field(default_factory=dict, compare=False)
    taps: Mapping[str, Tap] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        axes = {name: tuple(map(normal, on)) for name, on in self.axes.items()}
        nested = {group: (name, blocks) for group, (name, blocks) in self.nested.items()}
        unknown = sorted(set(self.carried) - set(axes))
        if unknown:
            raise InputError("carried", unknown, "must be tensors of the spec")
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "units", dict(self.units))
        object.__setattr__(self, "carried", frozenset(self.carried))
        object.__setattr__(self, "nested", {g: on for g, on in nested.items() if on[1] != 1})
        if self.nested:
            check_nested(self.nested, self.groups)

    def __hash__(self) -> int:
        tensors = tuple(sorted((name, repr(on)) for name, on in self.axes.items()))
        return hash((tensors, tuple(sorted(self.nested.items()))))

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """All groups, in the order in which the tensors first name them."""
        found = (group for on in self.axes.values() for entry in on for group in named(entry))
        return tuple(dict.fromkeys(found))

    @cached_property
    def is_plain(self) -> bool:
        """Whether every axis is one group or stays (groups may have blocks)."""
        return all(unfolding.is_plain(on) for on in self.axes.values())

    @cached_property
    def plain(self) -> Spec:
        """The spec of the unfolded tensors, itself if it is plain."""
        if self.is_plain:
            return self
        axes: dict[str, tuple[Entry, ...]] = {}
        carried: set[str] = set()
        for name, on in self.axes.items():
            found = {piece: flat for piece, _, flat in unfolding.pieces(name, on)}
            axes |= found
            carried |= set(found) if name in self.carried else set()
        return Spec(axes, self.nested, self.units, frozenset(carried))

    @cached_property
    def families(self) -> tuple[tuple[str, ...], ...]:
        """Groups that must be permuted together because they share blocks; most stand alone."""
        found: dict[str, list[str]] = {}
        for group in self.groups:
            found.setdefault(root(self.nested, group), []).append(group)
        return tuple(tuple(family) for family in found.values())

    @cached_property
    def compared(self) -> tuple[str, ...]:
        """The tensors by which networks are matched: those with a group that are not carried."""
        return tuple(n for n, on in self.axes.items() if any(on) and n not in self.carried)

    def only(self, names: Sequence[str]) -> Spec:
        """The spec of some of the tensors, by names of this spec."""
        axes = {name: self.axes[name] for name in names}
        pending, nested = list(Spec(axes).groups), {}
        while pending:
            group = pending.pop()
            if group in self.nested:
                nested[group] = self.nested[group]
                pending.append(nested[group][0])
        units = {group: self.units[group] for group in Spec(axes).groups if group in self.units}
        return Spec(axes, nested, units, self.carried & set(axes))

    @cached_property
    def matched(self) -> Spec:
        """The plain spec of the tensors that are compared: what weights are matched by."""
        return self.plain.only(self.plain.compared)

    def occurrences(self, group: str) -> tuple[tuple[str, int], ...]:
        """Every (tensor name, axis) on which ``group`` acts."""
        return self._places.get(group, ())

    @cached_property
    def _places(self) -> dict[str, tuple[tuple[str, int], ...]]:
        found: dict[str, list[tuple[str, int]]] = {group: [] for group in self.groups}
        for name, on in self.axes.items():
            for axis, entry in enumerate(on):
                for group in dict.fromkeys(named(entry)):
                    found[group].append((name, axis))
        return {group: tuple(places) for group, places in found.items()}

    def neighbours(self, group: str) -> frozenset[str]:
        """The other groups that share a tensor with ``group``: what its matching depends on."""
        tensors = {name for name, _ in self.plain.occurrences(group)}
        shared = {other for name in tensors for other in self.plain.axes[name]}
        return frozenset(other for other in shared if other not in (None, group))  # type: ignore[misc]

    def same(self, other: Spec) -> bool:
        """Whether both say the same, up to the names of groups and blocks."""
        return self.canonical() == other.canonical()

    def canonical(self) -> Spec:
        """This spec with its groups numbered as the sorted tensors name them."""
        axes = {name: self.axes[name] for name in sorted(self.axes)}
        order = Spec(axes).groups
        blocks = dict.fromkeys(self.nested[group][0] for group in order if group in self.nested)
        names = {name: f"group.{k}" for k, name in enumerate(dict.fromkeys([*order, *blocks]))}
        moved = {name: tuple(renamed(e, names) for e in on) for name, on in axes.items()}
        nested = {names[group]: (names[b], count) for group, (b, count) in self.nested.items()}
        return Spec(moved, nested, {names[group]: count for group, count in self.units.items()})

    def unfold(self, state: State) -> tuple[Spec, dict[str, Tensor]]:
        """The plain spec, and the tensors of a network or stack taken apart accordingly.

        Tensors that the spec does not list are left out. A plain spec is returned itself, with the
        very tensors.
        """
        if self.is_plain:
            return self, {name: state[name] for name in self.axes}
        lead, sizes = 0 if self.models(state) is None else 1, self.sizes(state)
        found: dict[str, Tensor] = {}
        for name, on in self.axes.items():
            names = [piece for piece, _, _ in unfolding.pieces(name, on)]
            if unfolding.is_plain(on):
                found[name] = state[name]
            else:
                found |= zip(names, unfolding.unfold(on, state[name], sizes, lead), strict=True)
        return self.plain, found

    def fold(self, state: State) -> dict[str, Tensor]:
        """The tensors of which ``state`` are the pieces; undoes :meth:`unfold`."""
        if self.is_plain:
            return dict(state)
        lead = 0 if self.plain.models(state) is None else 1
        whole = {}
        for name, on in self.axes.items():
            parts = [state[piece] for piece, _, _ in unfolding.pieces(name, on)]
            blocks = max([self.nested[e.group][1] for e in on if isinstance(e, Inner)], default=1)
            plain = unfolding.is_plain(on)
            whole[name] = parts[0] if plain else unfolding.fold(on, parts, blocks, lead)
        return whole

    def along(self, entry: Entry, values: Mapping[str, Tensor]) -> Float[Tensor, "*models length"]:
        """One value per unit of each group, spread along an axis; 1 where the axis stays.

        Args:
            entry: Entry of the axis, not ``None``.
            values: For every group ``[*models units]``.

        Raises:
            InputError: for the inner axis of a grouped convolution, whose values would depend on
                the other axis.
        """
        if isinstance(entry, Inner):
            remedy = "a value per unit does not fit a grouped convolution; use permutations only"
            raise InputError("spec", entry, remedy)
        return values[entry] if isinstance(entry, str) else spread(entry, values)

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
            InputError: if two axes of one group differ in length, or an axis does not fit its
                entry.
        """
        lead = 0 if self.models(state) is None else 1
        shapes = {name: tuple(state[name].shape[lead:]) for name in self.axes}
        return measure(self.axes, shapes, self.groups, self.nested, self.units)

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
        """This spec as JSON text, tensors in order; reasons and taps are left out."""
        axes = {name: [to_data(entry) for entry in on] for name, on in self.axes.items()}
        if not (self.nested or self.units or self.carried):
            return json.dumps(axes)
        nested = {group: list(on) for group, on in self.nested.items()}
        more = {"nested": nested, "units": self.units, "carried": sorted(self.carried)}
        return json.dumps({"axes": axes, **more})

    @staticmethod
    def from_json(text: str) -> Spec:
        """The spec written by :meth:`to_json`.

        Raises:
            InputError: if ``text`` is not such a spec.
        """
        try:
            data = json.loads(text)
            if not isinstance(data.get("axes"), dict):
                data = {"axes": data, "nested": {}, "units": {}, "carried": []}
            axes = {str(n): tuple(from_data(e) for e in on) for n, on in data["axes"].items()}
            nested = {str(g): (str(name), int(k)) for g, (name, k) in data["nested"].items()}
            units = {str(group): int(count) for group, count in data["units"].items()}
            return Spec(axes, nested, units, frozenset(data["carried"]))
        except (ValueError, TypeError, AttributeError, KeyError) as error:
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
    axes: dict[str, tuple[Entry, ...]] = {}
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
