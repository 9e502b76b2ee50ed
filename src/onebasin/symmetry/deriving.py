"""The spec of any module, read off the module itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from onebasin.symmetry import atoms
from onebasin.symmetry.atoms import Atom, Axis, Segment, root
from onebasin.symmetry.axes import Concat, Entry, Inner, Product, named, normal
from onebasin.symmetry.layers import RULES
from onebasin.symmetry.sizes import untold
from onebasin.symmetry.spec import Spec
from onebasin.symmetry.taps import Tap
from onebasin.symmetry.tracing import Trace, Traced, follow

#: Blocks that stay, each with units of its own, are listed one by one up to this many.
_MANY = 64


def derive(
    module: nn.Module,
    example: Any,
    *,
    declare: Mapping[str, str] | None = None,
    constants: Collection[str] = (),
) -> Spec:
    """Find out which axes of which tensors of a module may be permuted together.

    A copy of the module is traced once (``torch.export``, in evaluation mode) and every operation
    joins, splits or fixes axes. There is no list of known architectures. What comes out names every
    tensor of ``state_dict()``; buffers are carried, not compared. Nothing is frozen in silence:
    :attr:`Spec.fixed` says for each axis that stays, or part of which does, why it does.

    Check the result with :func:`onebasin.symmetry.verify.check_function`.

    Args:
        module: Any network whose ``forward`` torch.export can trace.
        example: Its input, or a tuple of inputs. Shapes matter, values do not. Use a batch of two
            or more and sizes that differ from one another where you can. Rows of a table that
            inputs of these shapes do not reach (a position embedding longer than the sequence)
            stay.
        declare: What to do about an operation that cannot be followed, by name of the operation or
            of a module: ``"elementwise"`` (acts on every entry alike), ``"fixed"`` (no axis it
            touches may be permuted).
        constants: Names of buffers that belong to the architecture and not to one network, such as
            frequencies or masks: they are never permuted. Buffers of whole numbers, of truth
            values or with infinite entries are constants without being named, the running
            statistics of norms never are.

    Raises:
        CannotFollow: naming the operation, its module and how to declare it.
        InputError: if something is declared that the module does not have.
    """
    inputs = example if isinstance(example, tuple) else (example,)
    trace = follow(module, inputs, RULES, declare or {}, constants)
    read = {leaf for axis in trace.read for leaf in _leaves(axis)}
    for name, tensor in trace.parameters.items():
        for axis in tensor.axes:
            if name not in trace.used:
                atoms.fix(axis, "not used by the forward pass")
            else:
                atoms.fix((tuple(_leaves(axis) - read),), "not reached by inputs of these shapes")
    buffers = {name for name, _ in module.named_buffers()} & set(trace.parameters)
    return _Reader(trace).spec(frozenset(buffers))


class _Reader:
    """Turns what is known about atoms into entries with names."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.families = _settle(trace)
        self.inner = _inner(trace, self._members)
        self.names: dict[Any, str] = {}
        self.nested: dict[str, tuple[str, int]] = {}

    def spec(self, buffers: frozenset[str]) -> Spec:
        """The spec of the trace."""
        self._name_all()
        axes = {
            name: tuple(self._entry(axis, name, k) for k, axis in enumerate(tensor.axes))
            for name, tensor in self.trace.parameters.items()
        }
        fixed = {
            (name, k): reason
            for name, tensor in self.trace.parameters.items()
            for k, axis in enumerate(tensor.axes)
            if (reason := _reason(axis)) is not None
        }
        plain = Spec(axes, self.nested)
        shapes = {name: tensor.shape for name, tensor in self.trace.parameters.items()}
        units = untold(axes, shapes, self._sizes(plain.groups), self.nested)
        return Spec(axes, self.nested, units, buffers, fixed, self._taps(plain))

    def _sizes(self, groups: Sequence[str]) -> dict[str, int]:
        """Units of every group: those of its atom in every block."""
        atom_of = {name: atom for atom, name in self.names.items()}
        return {group: atom_of[group].size * self.nested.get(group, ("", 1))[1] for group in groups}

    def _entry(self, axis: Axis, tensor: str = "", place: int = -1) -> Entry:
        parts: list[str | int | Product] = []
        for segment in self._members(axis):
            factors = [self._factor(chain) for chain in self._chains(segment)]
            if len(factors) == 1 and isinstance(factors[0], str):
                group = factors[0]
                if place == 1 and tensor in self.trace.grouped and segment[0] in self.inner:
                    return Inner(group)
            parts.append(Product(*factors) if factors else 1)
        return normal(Concat(*parts))

    def _members(self, axis: Axis) -> Iterator[Segment]:
        """Segments, those with groups of their own at every place of a factor spelled out."""
        for segment in _spelled(axis):
            first = segment[0] if segment else None
            own = [self.families.get((atom, first)) for atom in segment]
            if first is None or not any(own):
                yield segment
                continue
            for number in range(first.size):
                rest = zip(segment[1:], own[1:], strict=True)
                yield from _spelled((tuple(m[number] if m else a for a, m in rest),))

    def _chains(self, segment: Segment) -> list[list[Atom]]:
        chains: list[list[Atom]] = []
        for atom in segment:
            if chains and self.inner.get(atom) is chains[-1][-1]:
                chains[-1].append(atom)
            else:
                chains.append([atom])
        return chains

    def _factor(self, chain: list[Atom]) -> str | int:
        if chain[-1].reason is not None:
            return atoms.size((tuple(chain),))
        return self.names[chain[-1]]

    def _name_all(self) -> None:
        order = list(self.trace.parameters.items())
        for lead in (True, False):
            for name, tensor in order:
                for axis in tensor.axes[:1] if lead else tensor.axes[1:]:
                    for segment in self._members(axis):
                        for chain in self._chains(segment):
                            if chain[-1].reason is None:
                                self._name(chain[-1], name.rpartition(".")[0] or name)
        for atom in list(self.names):
            self._nest(atom)

    def _name(self, atom: Atom, base: str) -> None:
        if atom not in self.names:
            taken, number = set(self.names.values()), 1
            name = base
            while name in taken:
                number += 1
                name = f"{base}:{number}"
            self.names[atom] = name

    def _nest(self, atom: Atom) -> None:
        outer = self.inner.get(atom)
        if outer is None:
            return
        self._name(outer, f"{self.names[atom]}.blocks")
        blocks, above = 1, outer
        while above is not None:
            blocks, above = blocks * above.size, self.inner.get(above)  # type: ignore[assignment]
        self.nested[self.names[atom]] = (self.names[outer], blocks)
        self._nest(outer)

    def _taps(self, spec: Spec) -> dict[str, Tap]:
        found: dict[str, Tap] = {}
        calls = Counter((r.module, r.side) for r in self.trace.readings)
        for side in ("input", "output"):
            for reading in self.trace.readings:
                if reading.side != side or calls[reading.module, side] > 1:
                    continue
                entry = self._entry(reading.on)
                for group in set(named(entry)) & set(spec.groups) - set(found):
                    found[group] = Tap(reading.module, reading.axis, side, entry)
        return {group: found[group] for group in spec.groups if group in found}


def _spelled(axis: Axis) -> Iterator[Segment]:
    """Resolved segments; where segments repeat inside a factor, that factor must stay."""
    for segment in atoms.resolve(axis):
        for place, atom in enumerate(segment):
            parts = atoms.expand(atom)
            if len(parts) == 1:
                continue
            before, after = segment[:place], segment[place + 1 :]
            atoms.fix((before,), "rows of several groups side by side")
            for _ in range(atoms.size((before,))):
                for part in parts:
                    yield from _spelled(((*part, *after),))
            break
        else:
            yield tuple(map(root, segment))


def _leaves(axis: Axis) -> set[Atom]:
    found: set[Atom] = set()
    for segment in atoms.resolve(axis):
        for atom in segment:
            parts = atoms.expand(atom)
            found |= {root(atom)} if len(parts) == 1 else _leaves(parts)
    return found


def _reason(axis: Axis) -> str | None:
    stay = [a.reason for segment in _spelled(axis) for a in segment if a.reason is not None]
    return stay[0] if stay else "a single entry" if atoms.size(axis) == 1 else None


def _settle(trace: Trace) -> dict[tuple[Atom, Atom | None], list[Atom]]:
    """Families of groups, one at each place of an axis, that hold wherever they occur."""
    while True:
        found: dict[tuple[Atom, Atom | None], list[Atom]] = {}
        broken = False
        tensors = [[_leaves(axis) for axis in tensor.axes] for tensor in trace.tensors]
        for atom, chooser, members in trace.families.values():
            key = (root(atom), root(chooser))
            if key in found:
                pairs = zip(found[key], members, strict=True)
                broken |= any([_join(a, b) for a, b in pairs])
            elif key[0].bound is None and _always(trace, tensors, *key):
                found[key] = members
                if key[0].reason is not None:
                    atoms.fix((tuple(members),), key[0].reason)
            else:
                broken |= any([_join(atom, member) for member in members])
        if not broken:
            return found


def _join(left: Atom, right: Atom) -> bool:
    """Make two atoms equal; whether they were not yet."""
    before = atoms.expand(left) == atoms.expand(right)
    atoms.unify(((left,),), ((right,),))
    return not before


def _always(trace: Trace, tensors: list[list[set[Atom]]], atom: Atom, chooser: Atom) -> bool:
    for axes in tensors:
        if any(atom in axis for axis in axes) and not any(chooser in axis for axis in axes):
            return False
    return all(
        segment[0] is chooser and segment.count(atom) == 1
        for tensor in trace.parameters.values()
        for axis in tensor.axes
        for segment in _spelled(axis)
        if atom in segment
    )


def _inner(trace: Trace, members: Callable[[Axis], Iterator[Segment]]) -> dict[Atom, Atom]:
    """For every atom whose permutation may depend on the unit of another, that other."""
    apart = [(_leaves(inner), _leaves(outer)) for inner, outer in trace.apart]
    before: dict[Atom, set[Atom | None]] = {}
    for name, tensor in trace.parameters.items():
        for place, axis in enumerate(tensor.axes):
            for segment in members(axis):
                for atom, outer in zip(segment, (None, *segment), strict=False):
                    if name in trace.grouped and place == 1 and outer is None and len(segment) == 1:
                        outer = next(iter(_spelled(tensor.axes[0])))[0]
                    before.setdefault(atom, set()).add(outer)
    found = {}
    for atom, outers in before.items():
        outer = outers.pop() if len(outers) == 1 else None
        if outer is None or atom.reason is not None or outer.reason is not None:
            continue
        if any(atom in low and outer in high for low, high in apart):
            continue
        if all(_together(tensor, atom, outer) for tensor in trace.tensors):
            found[atom] = outer
    return found


def _together(tensor: Traced, atom: Atom, outer: Atom) -> bool:
    """Whether a tensor has both side by side, each on one axis, or not the inner one at all."""
    mine = [k for k, axis in enumerate(tensor.axes) if atom in _leaves(axis)]
    if not mine:
        return True
    theirs = [k for k, axis in enumerate(tensor.axes) if outer in _leaves(axis)]
    if len(mine) != 1 or len(theirs) != 1:
        return False
    if mine == theirs:
        return all(outer in s for s in _spelled(tensor.axes[mine[0]]) if atom in s)
    return all(outer in segment for segment in _spelled(tensor.axes[theirs[0]]))
