"""The command: help that teaches, exit codes that are documented, what build refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from onebasin.cli import building, exits
from toybook import ToyBook

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("run", "build", "record", "ledger", "compare", "status", "data", "check")


def plain(text: str) -> str:
    """Help without frames, colours and line ends."""
    return re.sub(r"[\s│╭╮╰╯─]+", " ", re.sub(r"\x1b\[[0-9;]*m", "", text))


def test_help_names_every_command_and_exit_code(toys: ToyBook) -> None:
    code, said = toys.run("--help")
    assert code == 0
    assert all(f" {name} " in plain(said) for name in COMMANDS)
    for number, meaning in exits.TABLE.items():
        assert f"{number}: {meaning}" in plain(said)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_shows_an_example(toys: ToyBook, command: str) -> None:
    code, said = toys.run(command, "--help")
    assert code == 0
    assert "Example" in said and f"onebasin {command}" in plain(said)


def test_exit_codes_are_documented_as_they_are() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    for number, meaning in exits.TABLE.items():
        assert f"| {number} | {meaning} |" in page


def test_wrong_use_ends_with_2(toys: ToyBook) -> None:
    assert toys.run("ruin")[0] == exits.USAGE
    assert toys.run("run", "--colour")[0] == exits.USAGE


def test_build_refuses_runs_that_no_longer_stand(toys: ToyBook) -> None:
    toys.chapter("one")
    code, said = toys.run("build")
    assert code == exits.FAILED
    assert "toy/one (smoke) has to be run: not run yet" in said and "Nothing was built" in said


def test_status_tells_fresh_from_stale_and_failed(toys: ToyBook) -> None:
    fresh, stale = toys.chapter("fresh"), toys.chapter("stale")
    toys.chapter("broken", "1 / 0")
    assert toys.run("run", "--plain")[0] == exits.FAILED
    stale.write_text(stale.read_text().replace("k * k", "k"))
    toys.chapter("new")
    code, said = toys.run("status")
    states = dict(re.findall(r"toy/(\w+)\W+(not run|\w+)", said))
    assert code == 0
    assert states == {"broken": "failed", fresh.stem: "fresh", "new": "not run", "stale": "stale"}
    assert "code changed" in plain(said)


def test_data_says_what_is_missing_and_what_is_damaged(toys: ToyBook, tmp_path: Path) -> None:
    toys.environment["ONEBASIN_DATA"] = str(tmp_path)
    code, said = toys.run("data")
    assert code == 0 and "mnist.npz" in said and "not here" in said
    (tmp_path / "mnist.npz").write_bytes(b"cut short")
    code, said = toys.run("data")
    assert code == exits.FAILED and "damaged" in said


def test_outside_of_a_book_the_remedy_is_named(toys: ToyBook, tmp_path: Path) -> None:
    toys.environment["ONEBASIN_ROOT"] = ""
    lost = tmp_path / "nowhere"
    lost.mkdir()
    toys.root = lost
    code, said = toys.run("run")
    assert code == exits.FAILED and "name it by ONEBASIN_ROOT" in said


def test_build_that_makes_no_page_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A renderer that ends well without a page, or an old page, must not pass for a book."""
    old = tmp_path / "_build" / "html" / "index.html"
    old.parent.mkdir(parents=True)
    old.write_text("an old page")
    monkeypatch.setattr(building, "_all_fresh", lambda profile: True)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0))
    monkeypatch.setenv("ONEBASIN_ROOT", str(tmp_path))
    with pytest.raises(typer.Exit) as caught:
        building.build()
    assert caught.value.exit_code == exits.FAILED
    assert not old.exists()


def test_build_reaches_the_renderer() -> None:
    command = [sys.executable, "-c", building.RENDERER, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Jupyter Book" in done.stdout
