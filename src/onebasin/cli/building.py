"""``onebasin build`` and ``onebasin check``."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

from onebasin.cli.console import fail, out
from onebasin.cli.running import Profile


def build(profile: Profile = "smoke") -> None:
    """Render the book from executed chapters and records; nothing is run, a warning is an error.

    The site lies in `_build/html`; open `_build/html/index.html`, no server or network needed.

    Example: `onebasin run --profile smoke && onebasin build`
    """
    from onebasin import paths, profiles

    profiles.load(profile)
    root = paths.root()
    flags = ["-W", "-n", "--keep-going", "--all"]
    command = [sys.executable, "-m", "jupyter_book", "build", str(root), *flags]
    environment = {**os.environ, "ONEBASIN_PROFILE": profile, "ONEBASIN_ROOT": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, check=False)
    if done.returncode:
        fail("the book was not built: see the warnings above, each is an error.")
        raise typer.Exit(1)
    out.print(f"the book is at {root / '_build' / 'html' / 'index.html'}", markup=False)


def check(
    only: Annotated[
        list[str] | None, typer.Argument(help="Names of checks; none named means all.")
    ] = None,
) -> None:
    """Check the sources: style, types, chapters, environment. Each complaint names its place.

    Example: `onebasin check chapters` looks at cells, captions and alternative texts only.
    """
    from onebasin import checks

    failed = False
    for name, complaints in checks.run(only or []):
        failed |= bool(complaints)
        out.print(f"{name}: {'ok' if not complaints else f'{len(complaints)} to mend'}")
        for complaint in complaints:
            fail(f"  {complaint}")
    if failed:
        raise typer.Exit(1)


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("build")(build)
    app.command("check")(check)
