"""Style and types are really looked at, with the project's own settings."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from onebasin.checks import tools

ROOT = Path(__file__).resolve().parents[2]
BAD = '''"""A module."""

from __future__ import annotations

import os


def double(number: int) -> int:
    """Twice a number."""
    return str(number)
'''


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    package = tmp_path / "src" / "onebasin"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(BAD)
    return tmp_path


def test_style_is_looked_at(bad: Path) -> None:
    pytest.importorskip("ruff")
    found = tools.style(bad)
    assert len(found) == 1 and "F401" in found[0] and "__init__.py:5" in found[0]


@pytest.mark.slow
def test_types_are_looked_at(bad: Path) -> None:
    pytest.importorskip("mypy")
    found = tools.types(bad)
    assert len(found) == 1 and 'got "str", expected "int"' in found[0]
