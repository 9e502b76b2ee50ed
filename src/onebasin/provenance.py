"""Where a number comes from: commit, versions, device, and the code that was loaded."""

from __future__ import annotations

import ast
import hashlib
import io
import os
import platform
import subprocess
import sys
import tokenize
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from onebasin import paths

_PACKAGES = ("torch", "numpy", "scipy", "open3d-cpu", "open3d", "lapx", "POT", "mlxtend")
# Modules that carry, store or draw numbers but never compute or judge one; a package's
# ``__init__.py`` says where names live.
_CARRIERS: tuple[str, ...] = (
    *("plotting/", "cli/", "artifacts.py", "book.py", "compare.py", "errors.py"),
    *(
        "files.py",
        "keys.py",
        "lazy.py",
        "ledger.py",
        "locks.py",
        "notebook.py",
        "paths.py",
        "plain.py",
    ),
    *("profiles.py", "provenance.py", "publish.py", "records.py", "registry.py", "runner.py"),
    *("shards.py", "sidecar.py", "worker.py", "cells.py", "checks/"),
)


def git(*arguments: str, cwd: Path | None = None) -> str | None:
    """Output of a git command in the book's folder, or None where it fails or git is missing."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or paths.root(), capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.decode("utf8", "replace")


def commit() -> tuple[str | None, bool | None]:
    """The commit at work and whether the tree differs from it; None where unknown.

    Changes below ``results/`` do not count. On a machine without the history, name the commit by
    ``ONEBASIN_COMMIT`` (with ``-dirty`` at the end if it was).
    """
    named = os.environ.get("ONEBASIN_COMMIT")
    if named:
        return named.removesuffix("-dirty"), named.endswith("-dirty")
    head = git("rev-parse", "HEAD")
    status = git("status", "--porcelain", "--untracked-files=normal", "--", ".", ":!results")
    return (head.strip() if head else None), (bool(status.strip()) if status is not None else None)


@cache
def versions() -> dict[str, str]:
    """Versions of Python, this library and the packages that can move a number."""
    found = {"python": platform.python_version()}
    for name in ("onebasin", *_PACKAGES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def device_name(device: str) -> str:
    """``"cpu"``, or the name of the accelerator."""
    import torch

    kind = torch.device(device)
    return torch.cuda.get_device_name(kind) if kind.type == "cuda" else kind.type


def machine(device: str) -> dict[str, Any]:
    """Device, threads, precision and peak memory of this process (in units of 10^6 bytes)."""
    import resource

    import torch

    unit = 1.0 if sys.platform == "darwin" else 1024.0  # ru_maxrss: bytes on macOS, else kB
    peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6}
    if torch.device(device).type == "cuda":
        peak["device"] = torch.cuda.max_memory_allocated(device) / 1e6
    return {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "precision": torch.get_float32_matmul_precision(),
        "peak_memory_mb": {name: round(value, 1) for name, value in peak.items()},
    }


def loaded_sources() -> dict[str, Path]:
    """Every source file of this library loaded so far, by its path in the repository."""
    found = {}
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] == "onebasin" and file and file.endswith(".py"):
            inside = Path(file).resolve().relative_to(paths.PACKAGE)
            found[f"src/onebasin/{inside.as_posix()}"] = Path(file)
    return found


def can_move_numbers(source: str) -> bool:
    """Whether a change of this source file can change a measured value."""
    inside = source.removeprefix("src/onebasin/")
    return not (inside.endswith("__init__.py") or inside.startswith(_CARRIERS))


def fingerprint(text: str) -> str:
    """SHA-256 of Python source without comments, docstrings and blank lines, 16 hex digits.

    Prose in a chapter and comments in the library cannot move a number, so they do not count.
    """
    try:
        spans = _comments(text) + _docstrings(text)
    except (SyntaxError, tokenize.TokenError):
        spans = []
    lines = text.splitlines()
    for (row, start), (last, end) in sorted(spans, reverse=True):
        tail = lines[last - 1].encode()[end:].decode()
        lines[row - 1 : last] = [lines[row - 1].encode()[:start].decode() + tail]
    code = "\n".join(line.rstrip() for line in lines if line.strip())
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def _comments(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    spans = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            start = len(token.line[:column].encode())
            spans.append(((row, start), (row, start + len(token.string.encode()))))
    return spans


def _docstrings(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    spans = []
    for node in ast.walk(ast.parse(text)):
        holds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, holds) and ast.get_docstring(node, clean=False) is not None:
            held = node.body[0]
            last, end = held.end_lineno or held.lineno, held.end_col_offset or 0
            spans.append(((held.lineno, held.col_offset), (last, end)))
    return spans


@cache
def _fingerprint_at(revision: str, source: str) -> str | None:
    text = git("show", f"{revision}:{source}")
    return None if text is None else fingerprint(text)


def _fingerprint_now(source: str) -> str | None:
    inside = source.removeprefix("src/onebasin/")
    file = paths.root() / source
    if inside != source and not file.is_file():
        file = paths.PACKAGE / inside
    if not file.is_file():
        return None
    state = file.stat()
    return _fingerprint_of(file, state.st_mtime_ns, state.st_size)


@cache
def _fingerprint_of(file: Path, changed_ns: int, size: int) -> str:
    """Fingerprint of a file as it is since ``changed_ns``; a ledger asks for each many times."""
    return fingerprint(file.read_text(encoding="utf8"))


def changed(sources: dict[str, str], revision: str | None = None) -> list[str]:
    """Sources whose code differs from its recorded fingerprint, now or at ``revision``."""
    moving = {name: mark for name, mark in sources.items() if can_move_numbers(name)}
    now = {
        name: _fingerprint_at(revision, name) if revision else _fingerprint_now(name)
        for name in moving
    }
    return sorted(name for name, mark in moving.items() if now[name] != mark)


def stale_since(sources: dict[str, str], recorded: str | None) -> str | None:
    """The first commit after ``recorded`` that changed what these sources do.

    Returns:
        None if nothing changed; else a short hash, or ``"the working tree"`` or ``"an unknown
        commit"`` where the history does not tell.
    """
    different = changed(sources)
    if not different:
        return None
    log = git("log", "--reverse", "--format=%h", f"{recorded}..HEAD", "--", *different)
    if recorded is None or log is None:
        return "an unknown commit"
    for revision in log.split():
        if any(_fingerprint_at(revision, name) != sources[name] for name in different):
            return revision
    return "the working tree"
