"""Parameters of a chapter: its own smoke values, what a profile changes, what a user overrides."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from onebasin import paths
from onebasin.errors import InputError

PROFILES = ("smoke", "laptop", "gpu")
_CELL = re.compile(r"^# %%(?P<header>.*)$")
_TAG = re.compile(r"""tags\s*=\s*\[[^\]]*["']parameters["']""")
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parameters(source: Path) -> dict[str, Any]:
    """Names and smoke values in the cell of a chapter that is tagged ``parameters``.

    The cell is parsed, not run: it may only assign literals.

    Args:
        source: The chapter's py:percent file.

    Raises:
        InputError: if there is no such chapter or cell, or the cell does more than assign.
    """
    if not source.is_file():
        raise InputError("chapter", source.name, f"there is no file {str(source)!r}")
    tree = ast.parse(_cell(source))
    values = {}
    for node in tree.body:
        try:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    values[name] = ast.literal_eval(value)
                case _:
                    raise ValueError("not a plain assignment")
        except ValueError as error:
            remedy = "its parameters cell may only assign literals to names"
            raise InputError("chapter", source.name, f"{remedy}: {ast.unparse(node)}") from error
    return values


def chapters() -> list[str]:
    """Every chapter of the book, e.g. ``"inrs/line"``, sorted."""
    folder = paths.root() / "notebooks"
    return sorted(
        path.relative_to(folder).with_suffix("").as_posix() for path in folder.glob("*/*.py")
    )


def load(profile: str) -> dict[str, dict[str, Any]]:
    """What a profile changes, by chapter.

    Raises:
        InputError: if the profile, a chapter in it or a parameter of a chapter is unknown.
    """
    _known("profile", profile, PROFILES)
    path = paths.root() / "profiles" / f"{profile}.yaml"
    if not path.is_file():
        return {}
    content = yaml.safe_load(path.read_text(encoding="utf8")) or {}
    known = chapters()
    for chapter, changes in content.items():
        _known(f"chapter in {path.name}", chapter, known)
        own = parameters(paths.chapter_source(chapter))
        for name in changes or {}:
            _known(f"parameter of {chapter} in {path.name}", name, own)
    return {chapter: dict(changes or {}) for chapter, changes in content.items()}


def resolve(
    chapter: str, profile: str = "smoke", overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """All parameters of a chapter for one run.

    Args:
        chapter: E.g. ``"inrs/line"``.
        profile: ``"smoke"``, ``"laptop"`` or ``"gpu"``; its values replace the chapter's own.
        overrides: Values that win over both; strings are read as the type of the default.

    Raises:
        InputError: if a name is unknown (the nearest known one is suggested) or a value does not
            have the type of the chapter's own.
    """
    _known("chapter", chapter, chapters())
    own = parameters(paths.chapter_source(chapter))
    changes = {**load(profile).get(chapter, {}), **(overrides or {})}
    for name, value in changes.items():
        _known(f"parameter of {chapter}", name, own)
        changes[name] = _typed(name, value, own[name])
    if "profile" in own:
        changes["profile"] = profile
    return {**own, **changes}


def _cell(source: Path) -> str:
    held: list[str] | None = None
    for line in source.read_text(encoding="utf8").splitlines():
        match = _CELL.match(line)
        if match and held is not None:
            break
        if match and _TAG.search(match["header"]):
            held = []
        elif held is not None:
            held.append(line)
    if held is None:
        raise InputError("chapter", source.name, 'has no cell tagged tags=["parameters"]')
    return "\n".join(held)


def _known(argument: str, name: str, known: Iterable[str]) -> None:
    known = list(known)
    if name in known:
        return
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {known}"
    raise InputError(argument, name, f"is unknown; {hint.rstrip('?')}" + ("?" if near else ""))


def _typed(name: str, value: Any, default: Any) -> Any:
    """``value`` as the type of ``default``; text is read, a whole number may stand for a float."""
    kind = type(default)
    try:
        if isinstance(value, str) and not isinstance(default, str):
            value = _read(value, default)
        if kind is float and type(value) is int:
            value = float(value)
        if kind in (list, tuple) and isinstance(value, (list, tuple)):
            value = kind(_typed(name, one, default[0]) if default else one for one in value)
        if default is not None and type(value) is not kind:
            raise ValueError("another type")
    except (ValueError, SyntaxError, KeyError) as error:
        raise InputError(name, value, f"must be {_kind(default)} like {default!r}") from error
    return value


def _read(text: str, default: Any) -> Any:
    if isinstance(default, bool):
        return _WORDS[text.lower()]
    if isinstance(default, (list, tuple)) and text[:1] not in "[(":
        return [_scalar(part.strip()) for part in text.split(",") if part.strip()]
    return ast.literal_eval(text) if default is not None else _scalar(text)


def _scalar(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _kind(default: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    return names.get(type(default), f"a {type(default).__name__}")
