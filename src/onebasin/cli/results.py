"""``onebasin record``, ``ledger`` and ``compare``: what was found, and what moved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from onebasin.cli.console import out
from onebasin.cli.running import Chapters, Profile

if TYPE_CHECKING:
    from onebasin.intervals import Interval

_MARKS = {"reproduced": "green", "same direction": "yellow", "not reproduced": "red"}


def record(profile: Profile = "smoke", chapters: Chapters = None) -> None:
    """Copy finished runs to `results/PROFILE`, from a clean tree only, for a commit.

    Example: `onebasin run -p laptop inrs/line && onebasin record -p laptop inrs/line`
    """
    from onebasin import paths, publish

    moved = publish.publish(profile, chapters)
    for one in moved:
        kind = "removed" if one.id is None else "new" if one.replaced is None else "replaced"
        out.print(f"{kind:9}{one.path.relative_to(paths.root())}", markup=False)
    out.print(f"{len(moved)} records changed in results/{profile}; commit them.")


def ledger(
    as_json: Annotated[bool, typer.Option("--json", help="Every row as JSON.")] = False,
    part: Annotated[str | None, typer.Option(help="Only this part, e.g. II.")] = None,
) -> None:
    """Show the verdict on every claim of the five papers at every profile.

    Example: `onebasin ledger --part II`
    """
    from onebasin import ledger as rows
    from onebasin.profiles import PROFILES

    entries = [one for one in rows.entries() if part in (None, one["part"])]
    if as_json:
        typer.echo(json.dumps(entries, indent=1, ensure_ascii=False))
        return
    table = Table("part", "claim", *PROFILES, "stale since")
    for one in entries:
        shown = [one["verdict"][profile] for profile in PROFILES]
        styled = [f"[{_MARKS[v]}]{v}[/]" if v in _MARKS else f"[dim]{v}[/]" for v in shown]
        stale = ", ".join(f"{name}: {since}" for name, since in one["stale"].items())
        table.add_row(one["part"], one["id"], *styled, stale)
    out.print(table)


def compare(
    revision: Annotated[str, typer.Argument(help="A commit, e.g. HEAD~5.")],
    other: Annotated[
        str | None, typer.Argument(help="Another; left out: what this machine has now.")
    ] = None,
    fail_outside: Annotated[
        bool, typer.Option("--strict", help="Exit 1 if a number left its interval.")
    ] = False,
) -> None:
    """List the rows and numbers that changed between two commits, against their intervals.

    Example: `onebasin compare main` after changing a matcher and running its chapters again.
    """
    from onebasin import compare as moves

    found = moves.between(revision, other)
    table = Table("profile", "where", "what", "before", "after", "outside its interval")
    for one in found:
        where = f"{one.chapter}/{one.experiment}.{one.method}"
        what = f"{one.kind}: {one.metric}" if one.metric else one.kind
        outside = "yes" if one.outside else ""
        table.add_row(one.profile, where, what, _show(one.before), _show(one.after), outside)
    out.print(table if found else "nothing moved")
    if fail_outside and any(one.outside for one in found):
        raise typer.Exit(1)


def _show(value: Interval | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or "–"
    return f"{value.value:.4g} [{value.lo:.4g}, {value.hi:.4g}]"


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("record")(record)
    app.command("ledger")(ledger)
    app.command("compare")(compare)
