"""The note a finished chapter leaves beside its records, from which the runner knows it is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onebasin import files
from onebasin.errors import CorruptFileError
from onebasin.records import Record

_NAME = ".run.json"


def path(root: Path, profile: str, chapter: str) -> Path:
    """Where the note of a chapter lies below a records folder."""
    return root / profile / chapter / _NAME


def write(root: Path, digest: str, sources: Sequence[str], records: Sequence[Record]) -> Path:
    """Write the note; do this last, so that it vouches for every record.

    Args:
        root: Records folder.
        digest: The chapter's digest.
        sources: Repository paths of the source files the run had loaded.
        records: All records of the run, already written.
    """
    first = records[0]
    content = {
        "chapter": first.chapter,
        "profile": first.profile,
        "params": dict(first.params),
        "digest": digest,
        "sources": sorted(sources),
        "seconds": first.seconds["chapter"],
        "created": first.created,
        "records": {f"{one.experiment}.{one.method}": one.id for one in records},
    }
    target = path(root, first.profile, first.chapter)
    files.write_json(target, content)
    return target


def read(root: Path, profile: str, chapter: str) -> dict[str, Any] | None:
    """The note of a chapter, or None where there is none or it is damaged."""
    target = path(root, profile, chapter)
    if not target.is_file():
        return None
    try:
        content = files.read_json(target, "run the chapter again")
    except CorruptFileError:
        return None
    return content if isinstance(content, dict) and "records" in content else None
