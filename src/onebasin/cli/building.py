"""``onebasin build`` and ``onebasin check``."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import Annotated

import typer

from onebasin.cli import exits
from onebasin.cli.console import fail, out
from onebasin.cli.running import Profile

#: Starts Jupyter Book in this very environment; the package cannot be run by ``python -m``.
RENDERER = "from jupyter_book.cli.main import main; main()"


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
    from onebasin import paths

    if not _all_fresh(profile) and not stale:
        fail("Nothing was built. Run `onebasin run` first, or build from old runs by --stale.")
        raise typer.Exit(exits.FAILED)
    root = paths.root()
    flags = ["-W", "-n", "--keep-going", "--all"]
    command = [sys.executable, "-c", RENDERER, "build", str(root), *flags]
    environment = {**os.environ, "ONEBASIN_PROFILE": profile, "ONEBASIN_ROOT": str(root)}
    page = root / "_build" / "html" / "index.html"
    page.unlink(missing_ok=True)  # so that an old site is not taken for a new one
    done = subprocess.run(command, cwd=root, env=environment, check=False)
    if done.returncode or not page.is_file():
        fail("the book was not built: see the warnings above, each is an error.")
        raise typer.Exit(exits.FAILED)
    out.print(f"the book is at {page}", markup=False)


def _all_fresh(profile: str) -> bool:
    """Whether every chapter's last run still stands; says what does not, and what was set."""
    from onebasin import keys, runner

    fresh = True
    for job in runner.plan([], profile):
        note = keys.read_note(job.chapter, profile) or {}
        held = note.get("parameters", {})
        if set(held) == set(job.parameters):  # a run with --set is shown as it was run
            own = {name: value for name, value in held.items() if value != job.parameters[name]}
            job = replace(job, parameters=held)
            if own:
                out.print(f"{job.chapter} ({profile}) was run with {own}.", markup=False)
        why = runner.reasons(job)
        if why:
            fail(f"{job.chapter} ({profile}) has to be run: {', '.join(why)}.")
        fresh = fresh and not why
    return fresh


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
