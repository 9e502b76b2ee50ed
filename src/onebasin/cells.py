"""The cells of a chapter, read from its py:percent source without Jupyter."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from typing import Any

_START = re.compile(r"^# %%(?!%)(?P<rest>.*)$")
_KIND = re.compile(r"\[(?P<kind>markdown|raw)\]")
_OPTION = re.compile(r"(?P<name>[A-Za-z_][\w-]*)\s*=\s*")


@dataclass(frozen=True)
class Cell:
    """One cell.

    Args:
        kind: ``"code"``, ``"markdown"`` or ``"raw"``.
        line: Line of the file on which its text starts, counted from 1.
        source: Its text without blank lines at the end; prose without the comment signs.
        metadata: The options of its header line, e.g. ``tags`` and ``mystnb``.
        fault: What is wrong with the header line, empty if nothing is.
    """

    kind: str
    line: int
    source: str
    metadata: dict[str, Any] = field(default_factory=dict)
    fault: str = ""

    @property
    def tags(self) -> list[str]:
        """The tags of its header."""
        return list(self.metadata.get("tags", []))

    @property
    def lines(self) -> int:
        """Lines of text, blank ones included."""
        return len(self.source.splitlines())


def read(text: str) -> list[Cell]:
    """Cells of a py:percent file, in order; what stands before the first one is not a cell."""
    lines = text.splitlines()
    starts = [
        (row, match["rest"]) for row, line in enumerate(lines) if (match := _START.match(line))
    ]
    ends = [row for row, _ in starts[1:]] + [len(lines)]
    return [
        _cell(rest, lines[row + 1 : end], row + 2)
        for (row, rest), end in zip(starts, ends, strict=True)
    ]


def _cell(rest: str, body: list[str], line: int) -> Cell:
    match = _KIND.search(rest)
    kind = match["kind"] if match else "code"
    metadata, fault = _options(rest[match.end() :] if match else rest)
    if kind != "code":
        body = [re.sub(r"^# ?", "", one) for one in body]
    return Cell(kind, line, "\n".join(body).strip("\n"), metadata, fault)


def _options(text: str) -> tuple[dict[str, Any], str]:
    """Options ``name=value`` of a header, whose values are JSON, and what is wrong with them."""
    found: dict[str, Any] = {}
    decoder, place = json.JSONDecoder(), 0
    text = text.strip()
    while match := _OPTION.search(text, place):
        try:
            found[match["name"]], place = decoder.raw_decode(text, match.end())
        except json.JSONDecodeError as error:
            return found, f"{match['name']} is not JSON: {error.msg} at column {error.pos + 1}"
    return found, ""


def called_with(cell: Cell, function: str) -> list[ast.Call]:
    """Calls of ``function`` (written as a dotted name) in a cell of code."""
    try:
        tree = ast.parse(cell.source)
    except SyntaxError:
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [node for node in calls if ast.unparse(node.func) == function]
