"""``onebasin status`` and ``data``: what was run here, what lies on this machine."""

from __future__ import annotations

import datetime
from contextlib import suppress
from typing import Any

import typer
from rich.table import Table

from onebasin.cli import exits
from onebasin.cli.console import minutes, out
from onebasin.cli.running import Profile
from onebasin.errors import CorruptFileError

_LOOK = {"fresh": "green", "stale": "yellow", "failed": "red", "not run": "dim"}


def status(profile: Profile = "smoke") -> None:
    """Show each chapter's state at a profile, its time and device, and the artifacts in the store.

    *fresh* means that running it again would change nothing; *stale* says what changed since.

    Example: `onebasin status --profile laptop`
    """
    from onebasin import runner

    table = Table("chapter", "state", "time", "device", "run on", "why")
    for job in runner.plan([], profile):
        table.add_row(job.chapter, *_row(job))
    out.print(f"profile {profile}")
    out.print(table)
    out.print(_store())


def data() -> None:
    """Show which data packs this machine has, and whether their checksums are right.

    Packs are looked for in the folder that ONEBASIN_DATA names. The smoke profile needs none.

    Example: `ONEBASIN_DATA=~/packs onebasin data`
    """
    from onebasin.data import packs

    table = Table("pack", "state", "MB", "sha256", "origin", "note")
    wrong = False
    for pack in packs.PACKS.values():
        state = _presence(pack.name)
        wrong |= state.startswith("damaged")
        size, mark = f"{pack.size / 1e6:.1f}", pack.sha256[:12]
        table.add_row(pack.file, state, size, mark, pack.origin, pack.note)
    folder = packs.data_folder()
    out.print(f"ONEBASIN_DATA: {folder or 'not set'}", markup=False)
    out.print(table)
    if wrong:
        raise typer.Exit(exits.FAILED)


def _row(job: Any) -> tuple[str, ...]:
    from onebasin import keys, paths, records, runner

    note = keys.read_note(job.chapter, job.profile)
    if note is None:
        return ("[dim]not run[/]", "–", "–", "–", "")
    why = runner.reasons(job, plain=note["plain"])
    state = "failed" if note["state"] == runner.FAILED else "stale" if why else "fresh"
    held = set()
    with suppress(CorruptFileError):  # then the reasons say so
        found = records.find(chapter=job.chapter, profile=job.profile, root=paths.live())
        held = {record.device for record in found}
    devices = ", ".join(sorted(held)) or "–"
    when = datetime.datetime.fromtimestamp(note["ended"]).strftime("%Y-%m-%d %H:%M")
    shown = ", ".join(why[:3]) + (", …" if len(why) > 3 else "")
    return (f"[{_LOOK[state]}]{state}[/]", minutes(note["seconds"]), devices, when, shown)


def _store() -> Table:
    """The artifacts there are, each with its shards and the time they took."""
    from onebasin import artifacts

    table = Table("recipe", "artifact", "shards", "time made")
    for one in artifacts.inventory():
        done = one.get("made", {})
        spent = sum(float(shard["seconds"]) for shard in done.values())
        table.add_row(one["name"], one["key"], f"{len(done)}/{len(one['shards'])}", minutes(spent))
    return table


def _presence(name: str) -> str:
    from onebasin.data import packs
    from onebasin.errors import MissingDataError

    try:
        packs.locate(name)
    except MissingDataError:
        return "not here"
    except CorruptFileError as error:
        return f"damaged: {error.remedy}"
    return "here, checksum right"


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("status")(status)
    app.command("data")(data)
