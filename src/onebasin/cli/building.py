"""``onebasin build`` and ``onebasin check``."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

from onebasin.cli import exits
from onebasin.cli.console import fail, out
from onebasin.cli.running import Profile


def build(
    profile: Profile = "smoke",
    stale: Annotated[
        bool, typer.Option("--stale", help="Also from runs that no longer stand.")
    ] = False,
) -> None:
    """Render the book from executed chapters and records; nothing is run, a warning is an error.

    The site lies in `_build/html`; open `_build/html/index.html`, no server or network needed.

    Example: `onebasin run --profile smoke && onebasin build`
    """
    from onebasin import paths, runner

    due = {job.chapter: runner.reasons(job) for job in runner.plan([], profile)}
    for chapter, why in due.items():
        if why:
            fail(f"{chapter} ({profile}) has to be run: {', '.join(why)}.")
    if any(due.values()) and not stale:
        fail("Nothing was built. Run `onebasin run` first, or build from old runs by --stale.")
        raise typer.Exit(exits.FAILED)
    root = paths.root()
    flags = ["-W", "-n", "--keep-going", "--all"]
    command = [sys.executable, "-m", "jupyter_book.cli.main", "build", str(root), *flags]
    environment = {**os.environ, "ONEBASIN_PROFILE": profile, "ONEBASIN_ROOT": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, check=False)
    if done.returncode:
        fail("the book was not built: see the warnings above, each is an error.")
        raise typer.Exit(exits.FAILED)
    out.print(f"the book is at {root / '_build' / 'html' / 'index.html'}", markup=False)


def check(
    only: Annotated[
        list[str] | None, typer.Argument(help="Names of checks; none named means all.")
    ] = None,
) -> None:
    """Check the sources: style, types, chapters, environment. Each complaint names its place.

    Examples:

    * `onebasin check` runs all checks;

    * `onebasin check chapters` looks at cells, captions and alternative texts only.
    """
    from onebasin import checks

    failed = False
    for name, complaints in checks.run(only or []):
        failed |= bool(complaints)
        out.print(f"{name}: {'ok' if not complaints else f'{len(complaints)} to mend'}")
        for complaint in complaints:
            fail(f"  {complaint}")
    if failed:
        raise typer.Exit(exits.FAILED)


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("build")(build)
    app.command("check")(check)
