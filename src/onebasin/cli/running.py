"""``onebasin run``: execute chapters."""

from __future__ import annotations

import threading
from typing import Annotated, Any

import typer

from onebasin.cli.console import err, fail, minutes, out
from onebasin.errors import InputError

Chapters = Annotated[
    list[str] | None, typer.Argument(help="E.g. inrs/line; none named means all of them.")
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
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Chapters at a time.")] = 1,
    threads: Annotated[
        int | None, typer.Option(help="Threads each; 1 if several run at a time, else all cores.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Without Jupyter: records only, no figures.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Also what is unchanged.")] = False,
    slice_seconds: Annotated[
        float | None,
        typer.Option(help="Stop between two shards after this time, with exit code 75."),
    ] = None,
) -> None:
    """Run chapters that changed; what is unchanged is not repeated, what was killed goes on.

    A chapter is run again if its source, a parameter, its data, a version that matters or the code
    of a library file it loaded is another. One that fails does not stop the others.

    Examples:

    * `onebasin run` runs the whole book at smoke size;

    * `onebasin run inrs/line --profile laptop` makes one chapter's figures at the paper's size;

    * `onebasin run inrs/line --set width=128` changes one parameter;

    * `onebasin run inrs/line -p gpu --plain --slice-seconds 540` needs torch, NumPy and SciPy only.
    """
    from onebasin import runner

    planned = runner.plan(chapters or [], profile, _assignments(set_ or []))
    options = runner.Options(jobs, threads, plain, force, slice_seconds)
    done = runner.run(planned, options, _Progress(len(planned)))
    _report(done)
    states = {job.state for job in done}
    if "failed" in states:
        raise typer.Exit(1)
    if "interrupted" in states:
        raise typer.Exit(130)
    if "slice over" in states:
        raise typer.Exit(75)


def _assignments(pairs: list[str]) -> dict[str, Any]:
    split = [pair.partition("=") for pair in pairs]
    for name, sign, _ in split:
        if not sign or not name:
            raise InputError("--set", name, "write it as NAME=VALUE, e.g. --set width=128")
    return {name.strip(): value.strip() for name, _, value in split}


class _Progress:
    """A line when a chapter begins or ends, and on a terminal what is running now."""

    def __init__(self, total: int) -> None:
        self.total, self.ended = total, 0
        self.running: list[str] = []
        self.guard = threading.Lock()
        self.status = err.status("") if err.is_terminal else None

    def __call__(self, job: Any) -> None:
        with self.guard:
            if job.state == "running":
                self.running.append(job.chapter)
            else:
                self.running = [one for one in self.running if one != job.chapter]
                self.ended += 1
                self._line(job)
            self._live()

    def _line(self, job: Any) -> None:
        took = "" if job.state == "unchanged" else f"  {minutes(job.seconds)}"
        line = f"[{self.ended}/{self.total}] {job.chapter} ({job.profile}): {job.state}{took}"
        err.print(line, markup=False)

    def _live(self) -> None:
        if self.status is None:
            return
        self.status.update(", ".join(self.running))
        if self.running:
            self.status.start()
        else:
            self.status.stop()


def _report(jobs: list[Any]) -> None:
    for job in jobs:
        if job.state in ("failed", "slice over") and job.message:
            fail(f"\n{job.message}")
    counts: dict[str, int] = {}
    for job in jobs:
        counts[job.state] = counts.get(job.state, 0) + 1
    out.print("chapters: " + ", ".join(f"{count} {state}" for state, count in counts.items()))


def attach(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)
