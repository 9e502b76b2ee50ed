"""The three files that name dependencies: ours agree, and each disagreement is seen."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path

import pytest
import yaml

from onebasin import checks
from onebasin.checks import environment
from onebasin.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())


def test_ours_agree() -> None:
    assert environment.check(ROOT) == []


def with_pip(*lines: str) -> dict:
    changed = copy.deepcopy(CONDA)
    changed["dependencies"][-1]["pip"] = list(lines)
    return changed


CHANGES = {
    "another name": ({**CONDA, "name": "twobasins"}, "is not the project's"),
    "old python": (
        {**CONDA, "dependencies": ["python=3.9", *CONDA["dependencies"][1:]]},
        "does not fit requires-python",
    ),
    "no libusb": (
        {**CONDA, "dependencies": [one for one in CONDA["dependencies"] if one != "libusb"]},
        "libusb is missing",
    ),
    "no project": (with_pip("-c constraints.txt"), "does not install the project"),
    "unknown extra": (with_pip("-e .[book,tests]"), "extra 'tests' is not in pyproject.toml"),
    "no file": (with_pip("-e .[book]", "-c pins.txt"), "pip file 'pins.txt' is not there"),
    "loose package": (with_pip("-e .[book]", "einops"), "belongs into pyproject.toml"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_fault_of_the_conda_file_is_seen(name: str) -> None:
    conda, words = CHANGES[name]
    found = list(environment.conda_complaints(conda, PROJECT, ROOT))
    assert any(words in line for line in found), found


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("scipy==", "scipi==", "scipy has no version"),
        ("sphinx==7.4.7".title(), "Sphinx==8.1.0", "does not fit ==7.4.7"),
        ("numpy==", "numpy>=", "is no exact version"),
    ],
)
def test_each_fault_of_the_constraints_is_seen(old: str, new: str, words: str) -> None:
    pins = (ROOT / "constraints.txt").read_text()
    assert old in pins
    found = list(environment.pin_complaints(pins.replace(old, new), PROJECT))
    assert any(words in line for line in found), found


def test_an_unknown_check_is_an_error() -> None:
    with pytest.raises(InputError, match="choose from"):
        list(checks.run(["stile"]))
