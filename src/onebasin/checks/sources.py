"""Sizes of the library's modules and functions."""

from __future__ import annotations

import ast
from pathlib import Path

MODULE_LINES, BODY_LINES = 400, 40
EXCUSE = "# long:"  # a comment in the body that says why it must be longer


def check(root: Path) -> list[str]:
    """Complaints about modules over 400 lines and function bodies over 40."""
    found = []
    for path in sorted((root / "src").glob("**/*.py")):
        text = path.read_text(encoding="utf8")
        found += complaints(path.relative_to(root).as_posix(), text)
    return found


def complaints(name: str, text: str) -> list[str]:
    """What is too long in one module; a body does not count its docstring."""
    lines, found = text.splitlines(), []
    if len(lines) > MODULE_LINES:
        found.append(f"{name}: {len(lines)} lines, at most {MODULE_LINES}")
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        if not body:
            continue
        first, last = body[0].lineno, node.end_lineno or body[0].lineno
        excused = any(EXCUSE in line for line in lines[first - 1 : last])
        if last - first + 1 > BODY_LINES and not excused:
            length = last - first + 1
            found.append(
                f"{name}:{node.lineno}: {node.name} has {length} lines, at most {BODY_LINES}"
            )
    return found
