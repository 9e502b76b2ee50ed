"""Locks between processes that a killed holder cannot leave behind."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_UNSUPPORTED = {errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL}


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Try to take the lock ``path`` without waiting; yields whether it was free.

    The kernel holds the lock and drops it when its process dies, however it dies, so a stale one
    is taken over at once. The file names the holder's process for people who look. On a file
    system without locks every caller gets it: work may then be done twice, never half.

    Args:
        path: The lock file; made if missing, removed on release.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _take(path)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            path.unlink(missing_ok=True)
            os.close(handle)


def _take(path: Path) -> int | None:
    """Handle of the locked file, or None if another process holds it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                os.close(handle)
                raise
            return handle
        if _same(handle, path):
            os.truncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
            return handle
        os.close(handle)  # its holder removed the file between our open and our lock


def _same(handle: int, path: Path) -> bool:
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
