"""Packages that load a name where it lives, on first use.

A record names the sources that were loaded when it was made, and it is stale once one of them
changes. So importing a package must not load what a chapter does not use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

Access = tuple[Callable[[str], Any], Callable[[], list[str]]]


def names(package: str, homes: Mapping[str, Sequence[str]]) -> Access:
    """The ``__getattr__`` and the ``__dir__`` of a package whose names are loaded on first use.

    A public name must not be that of a module of the package: once the module is loaded, Python
    makes the name mean the module.

    Args:
        package: Its ``__name__``.
        homes: The public names, by the module of the package that they live in.

    Raises:
        ValueError: if a name has two homes, or is that of a home.
    """
    where = {name: module for module, inside in homes.items() for name in inside}
    modules = {module.partition(".")[0] for module in homes}
    if len(where) < sum(map(len, homes.values())) or modules & set(where):
        raise ValueError(f"{package}: a name has two homes, or is that of a module")

    def load(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{where[name]}"), name)

    return load, lambda: sorted(set(where) | set(vars(import_module(package))))
