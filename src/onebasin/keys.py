"""Run keys: what a finished chapter was made from, and whether that is still so.

A key has parts: the chapter's code, its parameters, the checksums of its data, the versions that
matter, the source files of this library that it loaded, the ledger rows it judges and the recorded
results it draws beside its own. A run whose parts are all what they were is not repeated.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from onebasin import claims, files, paths, provenance, records, sidecar
from onebasin.errors import CorruptFileError, InputError

# What runs a chapter, but is not run by it.
_MACHINERY: tuple[str, ...] = (
    "cli/",
    "checks/",
    "cells.py",
    "keys.py",
    "notebook.py",
    "plain.py",
    "runner.py",
)
_MACHINERY += ("worker.py", "publish.py", "compare.py")
_CHANGED = "it changed while the chapter ran"


def build_folder() -> Path:
    """Where runs put what they make: ``_build``, or the folder named by ``ONEBASIN_BUILD``."""
    named = os.environ.get("ONEBASIN_BUILD")
    return Path(named).expanduser().resolve() if named else paths.root() / "_build"


def note_path(chapter: str, profile: str) -> Path:
    """The note on the last run of a chapter at a profile."""
    return build_folder() / "runs" / profile / f"{chapter}.json"


def executed_path(chapter: str, profile: str) -> Path:
    """The executed notebook of a chapter at a profile."""
    return build_folder() / "executed" / profile / f"{chapter}.ipynb"


def read_note(chapter: str, profile: str) -> dict[str, Any] | None:
    """The note on the last run, or None if there is none or it is damaged."""
    path = note_path(chapter, profile)
    if not path.is_file():
        return None
    try:
        note = files.read_json(path, "run the chapter again")
    except CorruptFileError:
        return None
    return note if isinstance(note, dict) and "state" in note else None


def source_mark(text: str) -> str:
    """SHA-256 of a chapter's whole source, by which the book finds its executed copy."""
    return hashlib.sha256(text.encode()).hexdigest()


def snapshot() -> dict[str, str]:
    """SHA-256 of every source file of this library, by its path in the repository."""
    return {
        f"src/onebasin/{path.relative_to(paths.PACKAGE).as_posix()}": files.sha256(path)
        for path in sorted(paths.PACKAGE.rglob("*.py"))
    }


def parts(
    chapter: str,
    profile: str,
    *,
    params: Mapping[str, Any],
    text: str,
    begin: Mapping[str, str],
) -> dict[str, Any]:
    """The key of a run that has just ended, from the note that ``book.finish`` left.

    Args:
        chapter: E.g. ``"inrs/line"``.
        profile: Its profile.
        params: All its parameters.
        text: The chapter's source as it was run.
        begin: :func:`snapshot` from before the run; a file that changed since gets no mark.

    Returns:
        The parts; ``sources`` maps each loaded file to its fingerprint.
    """
    beside = sidecar.read(paths.live(), profile, chapter) or {}
    loaded = [name for name in beside.get("sources", []) if not _machinery(name)]
    now = snapshot()
    return {
        **_common(chapter, profile, params, text),
        "sources": {
            name: _mark(name) if begin.get(name) == now.get(name) else _CHANGED for name in loaded
        },
        "data": _data(chapter, profile),
    }


def key(found: Mapping[str, Any]) -> str:
    """Sixteen hex digits that stand for all parts."""
    return _hash(found)


def moved(note: Mapping[str, Any], params: Mapping[str, Any], text: str) -> list[str]:
    """What differs now from what a finished run was made from; empty if nothing does.

    Args:
        note: The note on the run.
        params: All parameters it would get now.
        text: The chapter's source now.
    """
    held, chapter, profile = note["parts"], note["chapter"], note["profile"]
    now = _common(chapter, profile, params, text)
    reasons = [f"{name} changed" for name, value in now.items() if held.get(name) != value]
    for name, mark in held["sources"].items():
        if _mark(name) != mark:
            reasons.append(f"{name.removeprefix('src/onebasin/')} changed")
    reasons += [f"data {name} changed" for name, mark in held["data"].items() if _other(name, mark)]
    beside = sidecar.read(paths.live(), profile, chapter)
    if beside is None or beside["digest"] != note["digest"] or not _records_there(beside):
        reasons.append("records are gone, damaged or another run's")
    return reasons


def _common(chapter: str, profile: str, params: Mapping[str, Any], text: str) -> dict[str, Any]:
    """The parts that are known without running the chapter, as they read back from JSON."""
    rows = [row for row in claims.load().values() if row.chapter == chapter]
    found = {
        "code": provenance.fingerprint(text),
        "parameters": dict(params),
        "versions": provenance.versions(),
        "ledger rows": _hash([(r.id, r.measures, r.unit, r.rule, r.cap) for r in rows]),
        "recorded results": _hash(_results(chapter, profile)),
    }
    return json.loads(json.dumps(found))


def _results(chapter: str, profile: str) -> dict[str, str]:
    """Checksums of the recorded results that a chapter may draw beside its own."""
    top = paths.results()
    found = {path.relative_to(top): path for path in sorted(top.glob(f"*/{chapter}/*.json"))}
    return {
        name.as_posix(): files.sha256(path)
        for name, path in found.items()
        if name.parts[0] != profile
    }


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _machinery(name: str) -> bool:
    return name.removeprefix("src/onebasin/").startswith(_MACHINERY)


def _mark(name: str) -> str | None:
    path = paths.PACKAGE / name.removeprefix("src/onebasin/")
    return provenance.fingerprint(path.read_text(encoding="utf8")) if path.is_file() else None


def _data(chapter: str, profile: str) -> dict[str, str]:
    """Checksum of every data file that the run's records name."""
    held = records.find(chapter=chapter, profile=profile, root=paths.live())
    return {one["name"]: one["sha256"] for record in held for one in record.data}


def _other(name: str, mark: str) -> bool:
    """Whether a known data pack is meant to have another checksum than it had."""
    from onebasin.data import packs

    with suppress(InputError):
        return packs.pack(name).sha256 != mark
    return False


def _records_there(beside: Mapping[str, Any]) -> bool:
    """Whether every record of a finished run is still there, unharmed."""
    folder = sidecar.path(paths.live(), beside["profile"], beside["chapter"]).parent
    try:
        held = {name: records.load(folder / f"{name}.json").id for name in beside["records"]}
    except (FileNotFoundError, CorruptFileError):
        return False
    return held == beside["records"]
