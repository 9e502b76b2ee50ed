"""Style and types, by ruff and mypy with the settings in ``pyproject.toml``."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path


def style(root: Path) -> list[str]:
    """Complaints of ``ruff check``."""
    return _complaints("ruff", ["check", "--output-format", "concise", "--quiet", "."], root)


def types(root: Path) -> list[str]:
    """Complaints of ``mypy``."""
    return _complaints("mypy", ["--no-error-summary", "--hide-error-context"], root)


def _complaints(tool: str, arguments: list[str], root: Path) -> list[str]:
    if importlib.util.find_spec(tool) is None:
        return [f"{tool} is not installed: pip install -c constraints.txt -e '.[dev]'"]
    command = [sys.executable, "-m", tool, *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    if done.returncode == 0:
        return []
    return [line for line in lines if ": note:" not in line] or [f"{tool} failed without a word"]
