"""A tiny book of its own for tests of the house, in a git repository or without."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CHAPTER = """\
# %% [markdown]
# # Line

# %% tags=["parameters"]
profile = "smoke"
width = 64
rate = 0.5
shapes = ["chair", "mug"]
quick = False

# %%
from onebasin import book
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book with one chapter, ``inrs/line``, that the library takes for its own."""
    root = tmp_path / "book"
    (root / "notebooks" / "inrs").mkdir(parents=True)
    (root / "profiles").mkdir()
    (root / "_toc.yml").write_text("format: jb-book\n")
    chapter = root / "notebooks" / "inrs" / "line.py"
    chapter.write_text(CHAPTER)
    os.utime(chapter, (1e9, 1e9))  # written long before the library was loaded
    (root / "profiles" / "laptop.yaml").write_text("inrs/line:\n  width: 512\n")
    (root / ".gitignore").write_text("_build/\n")
    monkeypatch.setenv("ONEBASIN_ROOT", str(root))
    monkeypatch.setenv("ONEBASIN_STORE", str(tmp_path / "store"))
    for name in ("ONEBASIN_RECORDS", "ONEBASIN_COMMIT", "ONEBASIN_DEADLINE"):
        monkeypatch.delenv(name, raising=False)
    return root


def commit_all(root: Path, message: str = "change") -> str:
    """Commit everything in ``root`` (making the repository first) and give the commit."""
    name = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    if not (root / ".git").exists():
        subprocess.run(["git", "init", "-q", "-b", "main"], cwd=root, check=True)
    subprocess.run(["git", "add", "-A"], cwd=root, check=True)
    subprocess.run(["git", *name, "commit", "-q", "-m", message], cwd=root, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True)
    return head.stdout.decode().strip()


@pytest.fixture
def commit(project: Path) -> Callable[[], str]:
    """Function that commits everything in the project; the first commit is made."""
    commit_all(project, "start")
    return lambda: commit_all(project)
