"""Whole files or none: written beside their target, flushed to disk, then moved into place."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from onebasin.errors import CorruptFileError, RunError

_FULL = {errno.ENOSPC, errno.EDQUOT}


def write(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a reader sees the old file or the new, never a part.

    Args:
        path: Target; missing folders are made.
        content: The whole file.

    Raises:
        RunError: if the disk is full; the target is then what it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
            _flush_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON with sorted keys; see :func:`write`."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write(path, (text + "\n").encode())


def read_json(path: Path, remedy: str) -> Any:
    """Content of a JSON file.

    Args:
        path: An existing file.
        remedy: What to do if it cannot be parsed, for the error.

    Raises:
        CorruptFileError: if the file is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except ValueError as error:
        raise CorruptFileError(path, remedy) from error


def remove_parts(path: Path) -> None:
    """Remove what a killed writer of ``path`` left behind (call only while no one writes it)."""
    for part in sorted(path.parent.glob(f".{path.name}.*.part")):
        part.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Turn the operating system's "no space" into one sentence that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise RunError(
            f"no space left on the disk of {str(path.parent)!r}: free some or name another folder "
            "(ONEBASIN_STORE, ONEBASIN_RECORDS), then run again; finished work is kept."
        ) from error


def _flush_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot flush a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
