"""Every method once: its name, its look in plots, its source and its cost class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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


METHODS: dict[str, Method] = {}


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
    """The entry called ``name``.

    Raises:
        InputError: if there is none; the message lists those there are.
    """
    if name not in METHODS:
        import onebasin.matching  # noqa: F401  (registers its methods)
    if name not in METHODS:
        raise InputError("method", name, f"is not registered; choose one of {sorted(METHODS)}")
    return METHODS[name]


def matchers() -> dict[str, Method]:
    """The entries that align networks, in order of registration."""
    import onebasin.matching  # noqa: F401  (registers its methods)

    return {name: method for name, method in METHODS.items() if method.match is not None}


# Kinds of network or pair that have a place in plots but no matcher of their own.
add_entry(Method("same", "same initialisation", "#789850", "P", cite="ballerini2023"))
add_entry(Method("joint", "joint matching", "#B5568C", "^", cite="crisostomi2024"))
add_entry(
    Method(
        "hyper-matching", "hyper-matching", "#9010F8", "*", cite="ballerini2023", cost="training"
    )
)
add_entry(Method("pruned", "pruned", "#683018", "p", "--", cite="ballerini2023"))
