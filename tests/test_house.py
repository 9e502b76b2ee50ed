"""The files at the top: make, system check, continuous integration, citation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from onebasin import __version__

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_versions_agree() -> None:
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["version"] == __version__ == cff["version"]
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert PROJECT["license"]["text"] == cff["license"] == "MIT"


def test_readme_names_the_two_commands_and_ci_runs_them() -> None:
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    for command in ("make book", "make test"):
        assert re.search(rf"^{command}\b", readme, re.MULTILINE)
        assert f"step {command}" in ci


def test_readme_names_every_system_package_that_is_checked_for() -> None:
    readme, system = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "system").read_text()
    packages = re.findall(r"^  library \S+ (\S+)$", system, re.MULTILINE)
    assert len(packages) >= 5
    assert [one for one in packages if one not in readme] == []


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_explains_itself() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("book", "test", "run", "check", "bench", "clean"):
        assert f"make {target}" in done.stdout


def system(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the system check on a machine that has nothing but a shell."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("uname", "grep", "bash"):
        (tools / name).symlink_to(shutil.which(name) or name)
    (tools / "ldconfig").write_text("#!/bin/sh\necho nothing\n")
    (tools / "ldconfig").chmod(0o755)
    script = (ROOT / ".ci" / "system").read_text().replace("PATH=$PATH:/sbin:/usr/sbin", "")
    bare = {"PATH": str(tools), "HOME": os.environ.get("HOME", "/"), **environment}
    return subprocess.run(
        [str(tools / "bash"), "-c", script, "system", *arguments],
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="names Debian packages")
def test_a_bare_machine_is_told_in_one_line_what_is_missing(tmp_path: Path) -> None:
    done = system(tmp_path, "book")
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("missing system packages: apt-get install") and "libusb-1.0-0" in line


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="names Debian packages")
def test_a_browser_is_obligatory_in_ci_only(tmp_path: Path) -> None:
    done = system(tmp_path, "test", CI="true")
    assert done.returncode == 1 and "chromium" in done.stderr.splitlines()[-1]
    (tmp_path / "again").mkdir()
    done = system(tmp_path / "again", "test")
    assert "browser tests are skipped" in done.stderr
    assert "chromium" not in done.stderr.splitlines()[-1]
