"""What is being built: the project's root, the profile, the commit, and where records lie."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PROFILES = ("smoke", "laptop", "gpu")


@dataclass(frozen=True)
class Site:
    """One build of the book.

    Args:
        root: The project's top folder.
        profile: The profile whose executed chapters are shown.
    """

    root: Path
    profile: str

    @property
    def executed(self) -> Path:
        """Folder of the executed copies of this profile's chapters."""
        return self.root / "_build" / "executed" / self.profile

    @property
    def record_roots(self) -> tuple[Path, ...]:
        """Where records are looked for: the run just made, then the recorded results."""
        live = os.environ.get("ONEBASIN_RECORDS")
        return (Path(live) if live else self.root / "_build" / "records", self.root / "results")

    @cached_property
    def commit(self) -> str:
        """Short commit id, with a plus sign if tracked files differ from it."""
        head = self._git("rev-parse", "--short=10", "HEAD")
        if not head:
            return "unknown"
        return head + ("+" if self._git("status", "--porcelain", "--untracked-files=no") else "")

    def _git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.root), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""


_SITE: Site | None = None


def configure(root: str | Path, profile: str | None = None) -> Site:
    """Set what is being built; the profile defaults to ``ONEBASIN_PROFILE``, else ``smoke``."""
    global _SITE
    _SITE = Site(Path(root).resolve(), profile or os.environ.get("ONEBASIN_PROFILE") or "smoke")
    return _SITE


def current() -> Site:
    """The build that is under way; outside of one, that of the folder worked in."""
    return _SITE or configure(Path.cwd())
