"""``environment.yml`` and ``constraints.txt`` against ``pyproject.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

_EXTRAS = re.compile(r"^-e\s+\.(?:\[(?P<extras>[^\]]+)\])?$")
_FILE = re.compile(r"^(?:-c|-r|--constraint|--requirement)\s+(?P<file>\S+)$")


def check(root: Path) -> list[str]:
    """Complaints about what the three files say differently."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf8"))["project"]
    conda = yaml.safe_load((root / "environment.yml").read_text(encoding="utf8"))
    pins = (root / "constraints.txt").read_text(encoding="utf8")
    return [
        *(f"environment.yml: {line}" for line in conda_complaints(conda, project, root)),
        *(f"constraints.txt: {line}" for line in pin_complaints(pins, project)),
    ]


def conda_complaints(
    conda: Mapping[str, Any], project: Mapping[str, Any], root: Path
) -> Iterator[str]:
    """What is wrong with the conda environment."""
    from packaging.specifiers import SpecifierSet

    plain = [one for one in conda.get("dependencies", []) if isinstance(one, str)]
    piped = [
        line
        for one in conda.get("dependencies", [])
        if isinstance(one, dict)
        for line in one["pip"]
    ]
    if conda.get("name") != project["name"]:
        yield f"its name {conda.get('name')!r} is not the project's"
    python = [one.partition("=")[2].lstrip("=") for one in plain if one.startswith("python=")]
    if not python or python[0] not in SpecifierSet(project["requires-python"]):
        yield f"python {python} does not fit requires-python {project['requires-python']}"
    yield from (f"{name} is missing" for name in ("pip", "make", "libusb") if name not in plain)
    if not any(_EXTRAS.match(line) for line in piped):
        yield "its pip section does not install the project (-e .[extras])"
    for line in piped:
        yield from _pip_line(line, project, root)


def _pip_line(line: str, project: Mapping[str, Any], root: Path) -> Iterator[str]:
    known = project["optional-dependencies"]
    own, file = _EXTRAS.match(line), _FILE.match(line)
    if own:
        for extra in (own["extras"] or "").split(","):
            if extra.strip() and extra.strip() not in known:
                yield f"extra {extra.strip()!r} is not in pyproject.toml"
    elif file and not (root / file["file"]).is_file():
        yield f"pip file {file['file']!r} is not there"
    elif not file:
        yield f"pip line {line!r} belongs into pyproject.toml"


def pin_complaints(text: str, project: Mapping[str, Any]) -> Iterator[str]:
    """Dependencies without an exact version, or whose version pyproject does not allow."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins = {}
    for line in text.splitlines():
        name, sign, version = line.partition("==")
        if sign:
            pins[canonicalize_name(name.strip())] = version.strip()
        elif line.strip() and not line.startswith("#"):
            yield f"{line!r} is no exact version"
    wanted = [*project["dependencies"]]
    wanted += [one for extra in project["optional-dependencies"].values() for one in extra]
    for one in map(Requirement, wanted):
        name = canonicalize_name(one.name)
        if name == canonicalize_name(project["name"]):
            continue
        if name not in pins:
            yield f"{one.name} has no version"
        elif pins[name] not in one.specifier:
            yield f"{one.name}=={pins[name]} does not fit {one.specifier} in pyproject.toml"
