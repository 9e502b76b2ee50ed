"""What the command prints on: a terminal, a log file or a pipe."""

from __future__ import annotations

import sys

from rich.console import Console

_WIDE = 160  # columns where there is no terminal to fit into
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def fail(message: str) -> None:
    """Print an error, as it is, to standard error."""
    err.print(message, style="red" if err.is_terminal else None, markup=False)


def minutes(seconds: float | None) -> str:
    """A time as people say it: ``42 s``, ``3 min 05 s``, ``1 h 10 min``."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
