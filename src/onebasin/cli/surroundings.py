"""``onebasin status`` and ``data``: what was run here, what lies on this machine."""

from __future__ import annotations

import typer
from rich.table import Table

from onebasin.cli.console import minutes, out
from onebasin.cli.running import Profile


def status(profile: Profile = "smoke") -> None:
    """Show each chapter's state at a profile, its time, and the artifacts in the store.

    Example: `onebasin status --profile laptop`
    """
    from onebasin import artifacts, paths, runner, sidecar

    table = Table("chapter", "state", "time", "run on")
    for job in runner.plan([], profile):
        note = sidecar.read(paths.live(), profile, job.chapter)
        fresh = runner.unchanged(job) or runner.unchanged(job, plain=True)
        state = "up to date" if fresh else "not run" if note is None else "changed since"
        when = "–" if note is None else note["created"]
        table.add_row(job.chapter, state, minutes(note and note["seconds"]), when)
    out.print(table)
    store = Table("recipe", "artifact", "shards", "time made")
    for one in artifacts.inventory():
        done = one.get("made", {})
        spent = sum(float(shard["seconds"]) for shard in done.values())
        store.add_row(one["name"], one["key"], str(len(done)), minutes(spent))
    out.print(store)


def data() -> None:
    """Show which data packs this machine has, and whether their checksums are right.

    Packs are looked for in the folder that ONEBASIN_DATA names. The smoke profile needs none.
    """
    from onebasin.data import packs
    from onebasin.errors import OneBasinError

    table = Table("pack", "state", "MB", "origin", "note")
    wrong = False
    for pack in packs.PACKS.values():
        try:
            packs.locate(pack.name)
            state = "here, checksum right"
        except FileNotFoundError:
            state = "not here"
        except OneBasinError as error:
            state, wrong = str(error), True
        table.add_row(pack.file, state, f"{pack.size / 1e6:.1f}", pack.origin, pack.note)
    out.print(table)
    if wrong:
        raise typer.Exit(1)


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("status")(status)
    app.command("data")(data)
