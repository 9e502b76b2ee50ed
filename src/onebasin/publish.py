"""Copying this machine's records to ``results/``, from a clean tree only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onebasin import paths, profiles, provenance, records, sidecar
from onebasin.errors import RunError
from onebasin.records import Record


@dataclass(frozen=True)
class Published:
    """One record that was copied to, or removed from, ``results/``.

    Args:
        path: Its file there.
        id: The record's id; None if the run no longer makes it.
        replaced: Id of the record that stood there, or None.
    """

    path: Path
    id: str | None
    replaced: str | None


def publish(profile: str, chapters: Sequence[str] | None = None) -> list[Published]:
    """Copy the finished runs of a profile to ``results/<profile>/``.

    Only records are copied whose commit is known and clean, whose sources are those of that
    commit, and whose parameters are the profile's own. Chapters are copied whole or not at all,
    and nothing is copied if one is refused.

    Args:
        profile: ``"smoke"``, ``"laptop"`` or ``"gpu"``.
        chapters: Which; default all that were run.

    Returns:
        What changed in ``results/``.

    Raises:
        RunError: if the tree is not clean, nothing was run, or a record is refused; the message
            says which and why.
    """
    clean = provenance.git("status", "--porcelain", "--", ".", ":!results")
    if clean is None or clean.strip():
        state = "is not a git checkout" if clean is None else "has changes that are not committed"
        raise RunError(f"the tree {state}: commit everything, run the chapters again, then record.")
    known = sorted({record.chapter for record in records.find(profile=profile, root=paths.live())})
    chosen = known if chapters is None else list(chapters)
    if not chosen:
        raise RunError(f"nothing was run at {profile}: `onebasin run --profile {profile}` first.")
    runs = {chapter: _finished(profile, chapter) for chapter in chosen}
    return [one for chapter, run in runs.items() for one in _copy(profile, chapter, run)]


def refusal(record: Record) -> str | None:
    """Why a record may not be published, or None if it may."""
    if record.commit is None or record.dirty is None:
        return "does not know its commit (name it by ONEBASIN_COMMIT where there is no git)"
    if record.dirty:
        return "was made from a tree with changes that were not committed"
    if provenance.git("cat-file", "-e", f"{record.commit}^{{commit}}") is None:
        return f"names commit {record.commit[:12]}, which is not in this repository"
    changed = provenance.changed(dict(record.sources), record.commit)
    if changed:
        return f"was made by other sources than its commit holds: {', '.join(changed)}"
    if _plain(record.params) != _plain(profiles.resolve(record.chapter, record.profile)):
        return "was made with other parameters than the profile's"
    return None


def _finished(profile: str, chapter: str) -> list[Record]:
    """All records of a finished run, each fit to be published."""
    note = sidecar.read(paths.live(), profile, chapter)
    found = records.find(profile=profile, chapter=chapter, root=paths.live())
    ids = {f"{one.experiment}.{one.method}": one.id for one in found}
    if note is None or note["records"] != ids:
        raise RunError(f"chapter {chapter!r} has no finished run at {profile}: run it again.")
    for record in found:
        why = refusal(record)
        if why is not None:
            name = f"{record.chapter}/{record.experiment}.{record.method}"
            raise RunError(f"record {name} {why}: run the chapter again from a clean commit.")
    return found


def _copy(profile: str, chapter: str, run: Sequence[Record]) -> list[Published]:
    root, done = paths.results(), []
    recorded = records.find(profile=profile, chapter=chapter, root=root)
    before = {records.record_path(root, one): one for one in recorded}
    for record in run:
        old = before.pop(records.record_path(root, record), None)
        if old is not None and old.id == record.id:
            continue
        arrays = record.load_arrays() or None
        replaced = None if old is None else old.id
        path = records.save(replace(record, replaces=replaced, held=arrays), root)
        done.append(Published(path, record.id, replaced))
    for path, old in before.items():
        for file in (path, path.with_suffix(".npz")):
            file.unlink(missing_ok=True)
        done.append(Published(path, None, old.id))
    return done


def _plain(params: Any) -> Any:
    return json.loads(json.dumps(dict(params)))
