"""Every method once: its name, its look in plots, its source and its cost class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, TypeVar

from onebasin.errors import InputError

Function = TypeVar("Function", bound=Callable)


@dataclass(frozen=True)
class Method:
    """One method as the whole book shows it.

    Args:
        name: Short key used in records and on the command line.
        label: What legends and tables print.
        colour: Hex colour, separable from all others under the common colour-vision deficiencies.
        marker: Matplotlib marker, ``""`` for none.
        dash: Matplotlib line style.
        cite: Citation key of its source, ``""`` for the trivial ones.
        cost: ``free``, ``assignments``, ``data pass`` or ``training``.
        hollow: Whether its marker is an outline.
        match: The matcher itself, where the entry is one.
    """

    name: str
    label: str
    colour: str
    marker: str = ""
    dash: str = "-"
    cite: str = ""
    cost: Literal["free", "assignments", "data pass", "training"] = "free"
    hollow: bool = False
    match: Callable | None = field(default=None, compare=False)


#: Entries known so far; a matcher's is made when its module is loaded (see :func:`methods`).
METHODS: dict[str, Method] = {}

#: The module of every matcher, in the order of tables and legends.
_HOMES = {
    "activation": "onebasin.matching.activation",
    "sign": "onebasin.matching.dihedral",
    "sign + phase": "onebasin.matching.dihedral",
    "none": "onebasin.matching.identity",
    "phase": "onebasin.matching.phases",
    "weight": "onebasin.matching.weight",
    "straight-through": "onebasin.matching.straight_through",
}


def register(**look: Any) -> Callable[[Function], Function]:
    """Decorator that registers a matcher under ``look["name"]`` (see :class:`Method`)."""

    def add(function: Function) -> Function:
        add_entry(Method(**look, match=function))
        return function

    return add


def add_entry(method: Method) -> Method:
    """Register a method that has no matcher of its own, such as a kind of pair.

    Raises:
        InputError: if the name is taken by another entry.
    """
    known = METHODS.get(method.name)
    if known is not None and known != method:
        raise InputError("name", method.name, "is registered already; choose another")
    METHODS[method.name] = method
    return method


def get(name: str) -> Method:
    """The entry called ``name``; loads the module of that matcher and no other.

    Raises:
        InputError: if there is none; the message lists those there are.
    """
    if name not in METHODS and name in _HOMES:
        import_module(_HOMES[name])
    if name not in METHODS:
        raise InputError("method", name, f"is not registered; choose one of {sorted(names())}")
    return METHODS[name]


def names() -> list[str]:
    """All names in the order of tables and legends, whatever was loaded first: looks, matchers.

    Entries that were added from outside this library come last.
    """
    return [*_LOOKS, *_HOMES, *(name for name in METHODS if name not in {*_LOOKS, *_HOMES})]


def methods() -> dict[str, Method]:
    """All entries, in the order of :func:`names` (loads every matcher)."""
    return {name: get(name) for name in names()}


def matchers() -> dict[str, Method]:
    """The entries that align networks, in the same order."""
    return {name: method for name, method in methods().items() if method.match is not None}


# Kinds of network or pair that have a place in plots but no matcher of their own.
add_entry(Method("same", "same initialisation", "#789850", "P", cite="ballerini2023"))
add_entry(Method("joint", "joint matching", "#B5568C", "^", cite="crisostomi2024"))
add_entry(
    Method(
        "hyper-matching", "hyper-matching", "#9010F8", "*", cite="ballerini2023", cost="training"
    )
)
add_entry(Method("pruned", "pruned", "#683018", "p", "--", cite="ballerini2023"))
_LOOKS = tuple(METHODS)
