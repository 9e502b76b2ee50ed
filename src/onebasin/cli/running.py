"""``onebasin run``: execute chapters."""

from __future__ import annotations

import os
import signal
from typing import Annotated, Any

import typer

from onebasin.cli import exits
from onebasin.cli.console import fail, out
from onebasin.errors import InputError

Chapters = Annotated[
    list[str] | None,
    typer.Argument(help="E.g. inrs/line, or a whole part: inrs. None named means all of them."),
]
Profile = Annotated[
    str, typer.Option("--profile", "-p", help="smoke (seconds), laptop (minutes) or gpu.")
]


def run(
    chapters: Chapters = None,
    profile: Profile = "smoke",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="NAME=VALUE", help="Change a parameter (repeatable)."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", help="Chapters at a time; 2 at smoke, else 1.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of each; 1 at smoke, else the cores shared out.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Without Jupyter: records only, no figures.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Also what is unchanged.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say what would be run, and why.")
    ] = False,
    slice_seconds: Annotated[
        float | None,
        typer.Option(help="Stop between two shards or chapters after this time: exit code 75."),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(help="Keep what is made apart, in _build/variants/NAME (for sweeps)."),
    ] = None,
) -> None:
    """Run chapters that changed; what is unchanged is not repeated, what was killed goes on.

    A chapter is run again if its code, a parameter, its data, a version that matters or the code
    of a library file it loaded is another. One that fails shows its cell and traceback and does
    not stop the others. Changed prose and captions cost nothing: the outputs are kept.

    Examples:

    * `onebasin run` runs the whole book at smoke size;

    * `onebasin run inrs/line --profile laptop` makes one chapter's figures at a larger size;

    * `onebasin run inrs/line --set width=128` changes one parameter;

    * `onebasin run inrs/line -p gpu --plain --slice-seconds 540` needs torch, NumPy and SciPy
    only; repeat it while it exits with 75.
    """
    from onebasin import runner
    from onebasin.cli.progress import Progress

    if variant:
        _separate(variant)
    planned = runner.plan(chapters or [], profile, _assignments(set_ or []))
    if dry_run:
        _explain(planned, plain)
        return
    signal.signal(signal.SIGTERM, _interrupted)
    options = runner.Options(jobs, threads, plain, force, slice_seconds)
    with Progress(len(planned)) as progress:
        done = runner.run(planned, options, progress)
    _report(done)


def _separate(variant: str) -> None:
    from onebasin import paths

    if set(variant) & set("/\\ ."):
        raise InputError("variant", variant, "must be usable as a folder name")
    folder = paths.root() / "_build" / "variants" / variant
    os.environ["ONEBASIN_BUILD"] = str(folder)
    os.environ["ONEBASIN_RECORDS"] = str(folder / "records")


def _assignments(pairs: list[str]) -> dict[str, Any]:
    split = [pair.partition("=") for pair in pairs]
    for name, sign, _ in split:
        if not sign or not name.strip():
            raise InputError("--set", name, "write it as NAME=VALUE, e.g. --set width=128")
    return {name.strip(): value.strip() for name, _, value in split}


def _explain(planned: list[Any], plain: bool) -> None:
    from onebasin import runner

    for job in planned:
        why = runner.reasons(job, plain=plain)
        text = f"would run: {', '.join(why)}" if why else "unchanged"
        out.print(f"{job.chapter} ({job.profile}): {text}", markup=False)


def _interrupted(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _report(jobs: list[Any]) -> None:
    """Messages of what went wrong, a summary, and the exit code."""
    from onebasin import runner

    for job in jobs:
        if job.state in (runner.FAILED, runner.SLICE) and job.message:
            fail(f"\n{job.chapter} ({job.profile}) {job.state}: {job.message}")
    counts: dict[str, int] = {}
    for job in jobs:
        counts[job.state] = counts.get(job.state, 0) + 1
    out.print("chapters: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
    codes = {
        runner.FAILED: exits.FAILED,
        runner.STOPPED: exits.INTERRUPTED,
        runner.SLICE: exits.AGAIN,
    }
    for state, code in codes.items():
        if counts.get(state):
            raise typer.Exit(code)


def attach(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)
