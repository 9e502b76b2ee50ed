"""Unknown groups of units, and the algebra by which a trace finds out which are the same.

Every axis of every parameter starts as one unknown, an *atom*. What a network does with its tensors
makes atoms equal (a residual addition), splits them into segments (a chunk) or factors (heads), or
fixes them (an input, a position under a kernel). This is unification: an atom is free, fixed with a
reason, equal to another, or bound to a structure of others. A structure only ever restricts what an
element may do, so that a rule which knows too little loses symmetries but never invents one.

An axis is a tuple of segments, a segment a tuple of atoms, the first factor slowest; a segment
without atoms has one entry.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

_numbers = itertools.count()


class Atom:
    """An unknown group of units.

    Args:
        size: Number of its units.
        reason: Why it must stay; ``None`` while it is free.
    """

    __slots__ = ("bound", "kin", "number", "rank", "reason", "same", "size")

    def __init__(self, size: int, reason: str | None = None) -> None:
        self.size, self.reason, self.number = size, reason, next(_numbers)
        self.same: Atom | None = None
        self.bound: Axis | None = None
        #: Which split this factor came from, and its place there: what select() looks at.
        self.kin, self.rank = -1, 0

    def __repr__(self) -> str:
        return f"Atom({self.number}, {self.size}{', fixed' if self.reason else ''})"


Segment: TypeAlias = tuple[Atom, ...]
Axis: TypeAlias = tuple[Segment, ...]


def new(size: int, reason: str | None = None) -> Axis:
    """An axis of one fresh atom."""
    return ((Atom(size, reason),),) if size != 1 else ((),)


def root(atom: Atom) -> Atom:
    """The atom that stands for all that are equal to this one."""
    while atom.same is not None:
        atom = atom.same
    return atom


def size(axis: Axis) -> int:
    """Length of an axis."""
    return sum(math.prod(atom.size for atom in segment) for segment in axis)


def resolve(axis: Axis) -> Axis:
    """The axis with everything known about its atoms put in.

    An atom that turned out to be several segments stays as it is where it is not the slowest
    factor: its segments would repeat.
    """
    found: list[Segment] = []
    for segment in axis:
        factors: list[Atom] = []
        heads: list[Segment] = [()]
        for place, atom in enumerate(segment):
            parts = expand(atom)
            if len(parts) == 1:
                factors += parts[0]
            elif place == 0:
                heads = list(parts)
            else:
                factors.append(root(atom))
        found += [(*head, *factors) for head in heads]
    return tuple(found)


def expand(atom: Atom) -> Axis:
    """What an atom is bound to, resolved; a lone segment if it is not bound."""
    atom = root(atom)
    if atom.bound is None:
        return ((atom,) if atom.size != 1 else (),)
    parts = resolve(atom.bound)
    if len(parts) > 1 and all(is_fixed(part) for part in parts):
        reasons = (root(one).reason for part in parts for one in part)
        return ((Atom(atom.size, next(reasons, "single entries side by side")),),)
    return parts


def is_fixed(segment: Iterable[Atom]) -> bool:
    """Whether no atom of the segment is free."""
    return all(root(a).reason is not None and root(a).bound is None for a in segment)


def fix(axis: Axis, reason: str) -> None:
    """Every atom of the axis must stay."""
    for segment in axis:
        for atom in map(root, segment):
            if atom.bound is not None:
                fix(atom.bound, reason)
            elif atom.reason is None:
                atom.reason = reason


def unify(left: Axis, right: Axis) -> Axis:
    """Both axes hold the same units in the same order; returns what that is."""
    whole, mine, theirs = left, list(resolve(left)), list(resolve(right))
    while mine and theirs:
        lengths = size((mine[0],)), size((theirs[0],))
        if lengths[0] == lengths[1]:
            _unify_factors(mine.pop(0), theirs.pop(0))
        else:
            longer = mine if lengths[0] > lengths[1] else theirs
            longer[:1] = cut(longer[0], min(lengths))
        mine, theirs = list(resolve(tuple(mine))), list(resolve(tuple(theirs)))
    return resolve(whole)


def cut(segment: Segment, first: int) -> tuple[Segment, Segment]:
    """Two segments, the first of the given length."""
    whole, inner = size((segment,)), size((segment[1:],))
    if first % inner == 0:
        parts = _cut_atom(root(segment[0]), first // inner)
        return (*parts[0], *segment[1:]), (*parts[1], *segment[1:])
    reason = "its units are cut apart in the middle"
    fix((segment,), reason)
    return new(first, reason)[0], new(whole - first, reason)[0]


def factor(axis: Axis, sizes: Sequence[int]) -> list[Axis]:
    """One axis taken apart into several, the first slowest (a reshape)."""
    axis, inner = resolve(axis), math.prod(sizes[1:])
    lengths = [size((segment,)) for segment in axis]
    if len(axis) == 1:
        return [(part,) for part in factors_of(axis[0], sizes)]
    if all(length % inner == 0 for length in lengths):
        rows = [factors_of(s, (k // inner, *sizes[1:])) for s, k in zip(axis, lengths, strict=True)]
        rest: list[Axis] = [(part,) for part in rows[0][1:]]
        for row in rows[1:]:
            rest = [unify(one, (part,)) for one, part in zip(rest, row[1:], strict=True)]
        return [tuple(row[0] for row in rows), *rest]
    reason = "segments that do not divide evenly are reshaped"
    fix(axis, reason)
    return [new(each, reason) for each in sizes]


def merge(axes: Sequence[Axis]) -> Axis:
    """Several axes as one, the first slowest (a flatten)."""
    axes = [resolve(axis) for axis in axes if size(axis) != 1] or [((),)]
    tail: Segment = ()
    for axis in axes[1:]:
        if len(axis) > 1:  # segments inside: one atom that stands for all of them
            inside = Atom(size(axis))
            inside.bound = axis
            axis = ((inside,),)
        tail += axis[0]
    return tuple((*segment, *tail) for segment in axes[0])


def factors_of(segment: Segment, sizes: Sequence[int]) -> list[Segment]:
    """The atoms of a segment dealt out to factors of the given sizes, split where needed."""
    left, found = list(segment), []
    for wanted in sizes:
        taken: list[Atom] = []
        need = wanted
        while need > 1:
            atom = left.pop(0)
            if need % atom.size:
                outer = math.gcd(need, atom.size)
                if outer != need or _is_segmented(atom):
                    return _fixed_factors(segment, sizes)
                first, rest = _split_atom(root(atom), outer)
                left[:0], atom = [rest], first
            taken.append(atom)
            need //= atom.size
        found.append(tuple(taken))
    return found


def _fixed_factors(segment: Segment, sizes: Sequence[int]) -> list[Segment]:
    reason = "a reshape tears its units apart"
    fix((segment,), reason)
    return [new(each, reason)[0] for each in sizes]


def _is_segmented(atom: Atom) -> bool:
    return len(expand(atom)) > 1


def _cut_atom(atom: Atom, first: int) -> tuple[Segment, Segment]:
    parts = new(first, atom.reason)[0], new(atom.size - first, atom.reason)[0]
    if atom.bound is not None:
        unify(atom.bound, parts)
    elif atom.reason is None:
        atom.bound = parts
    return parts


def _split_atom(atom: Atom, outer: int) -> tuple[Atom, Atom]:
    first, rest = Atom(outer, atom.reason), Atom(atom.size // outer, atom.reason)
    if atom.reason is None:
        kin = atom.kin if atom.kin >= 0 else atom.number
        first.kin = rest.kin = kin
        first.rank, rest.rank = atom.rank, atom.rank + 1
        atom.bound = ((first, rest),)
    return first, rest


def _unify_factors(left: Segment, right: Segment) -> None:
    everything = (left, right)
    mine, theirs = list(left), list(right)
    while mine and theirs:
        a, b = root(mine[0]), root(theirs[0])
        if a is b or a.size == b.size:
            _unify_atoms(a, b)
            del mine[0], theirs[0]
        else:
            large, many = (a, mine) if a.size > b.size else (b, theirs)
            outer = min(a.size, b.size)
            if large.size % outer or _is_segmented(large):
                fix(everything, "two shapes that do not fit one another are joined")
                return
            many[:1] = _split_atom(large, outer)
        mine, theirs = _opened(mine), _opened(theirs)


def _opened(atoms: list[Atom]) -> list[Atom]:
    found: list[Atom] = []
    for atom in atoms:
        parts = expand(atom)
        found += parts[0] if len(parts) == 1 else [root(atom)]
    return found


def _unify_atoms(a: Atom, b: Atom) -> None:
    if a is b:
        return
    if a.bound is not None or b.bound is not None:
        unify(expand(a), expand(b))
        return
    keep, drop = (a, b) if a.number < b.number else (b, a)
    keep.reason = keep.reason or drop.reason
    if keep.kin < 0:
        keep.kin, keep.rank = drop.kin, drop.rank
    drop.same = keep
