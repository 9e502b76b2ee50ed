"""A book of toy chapters that run in a moment, and the command run on it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from onebasin import paths

HEADER = """\
# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

"""

CHAPTER = """\
# %% [markdown]
# # Toy
# The first words.

# %%
from onebasin import book

# %% tags=["parameters"]
profile = "smoke"
size = 3

# %%
run = book.start("toy/{name}", profile=profile, size=size)

# %%
{work}

# %%
squares = book.metric([k * k for k in range(size)])
run.record("squares", metrics={{"square": squares}}, seeds=range(size))

# %% tags=["nbval-check-output"]
run.finish()
"""


@dataclass
class ToyBook:
    """A book in a folder; its command runs with ``environment``."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def chapter(self, name: str, work: str = "pass") -> Path:
        """Write the chapter ``toy/NAME``, one of whose cells is ``work``."""
        path = self.root / "notebooks" / "toy" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER + CHAPTER.format(name=name, work=work))
        return path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``onebasin ARGUMENTS``."""
        return subprocess.Popen(
            [sys.executable, "-m", "onebasin", *arguments],
            cwd=self.root,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_interruptible,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code and everything printed by ``onebasin ARGUMENTS``."""
        process = self.start(*arguments)
        said, complained = process.communicate(timeout=300)
        return process.returncode, said + complained

    def executed(self, name: str) -> Path:
        """The executed copy of a chapter."""
        return self.root / "_build" / "executed" / "smoke" / "toy" / f"{name}.ipynb"


def _interruptible() -> None:
    """What a job in the background starts ignores Ctrl-C; the runs that tests start do not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def make(folder: Path, library: Path | None = None) -> ToyBook:
    """An empty book in a folder, whose command takes the library from another, if one is named."""
    root = folder / "book"
    root.mkdir(parents=True)
    (root / "_toc.yml").write_text("format: jb-book\n")
    own = {"ONEBASIN_ROOT": str(root), "ONEBASIN_STORE": str(folder / "store")}
    unset = ("ONEBASIN_RECORDS", "ONEBASIN_BUILD", "ONEBASIN_DEADLINE", "ONEBASIN_COMMIT")
    python = {"PYTHONPATH": str(library)} if library else {}
    return ToyBook(root, {**own, **python, **dict.fromkeys(unset, "")})


def copy_library(folder: Path) -> Path:
    """Copy the library, so that nobody's edits reach it while tests run; gives its folder."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(paths.PACKAGE, folder / "onebasin", ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the library for the tests of one module."""
    return copy_library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def toys(tmp_path: Path, library: Path) -> ToyBook:
    """An empty book that runs with that copy."""
    return make(tmp_path, library)


def wait_for(ready: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"waited {seconds} s in vain until {what}"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    status = Path(f"/proc/{pid}/status")
    if Path("/proc").is_dir():
        return status.is_file() and "State:\tZ" not in status.read_text()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
