"""Checks of the sources, run by ``onebasin check``: each gives complaints that name their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from onebasin import paths
from onebasin.checks import chapters, environment, sources, tools
from onebasin.errors import InputError

CHECKS: dict[str, Callable[..., list[str]]] = {
    "style": tools.style,
    "types": tools.types,
    "chapters": chapters.check,
    "sizes": sources.check,
    "environment": environment.check,
}


def run(only: Sequence[str] = ()) -> Iterator[tuple[str, list[str]]]:
    """Run checks one after the other.

    Args:
        only: Their names; empty means all.

    Yields:
        The name of each and its complaints, none if all is well.

    Raises:
        InputError: if there is no check of a name.
    """
    for name in only:
        if name not in CHECKS:
            raise InputError("check", name, f"is unknown; choose from {list(CHECKS)}")
    for name in only or CHECKS:
        yield name, CHECKS[name](paths.root())
