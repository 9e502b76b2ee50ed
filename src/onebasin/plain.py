"""One chapter without Jupyter: the cells of its source, run in one namespace."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from onebasin import paths
from onebasin.errors import RunError, SliceEnd

_HEADER = re.compile(r"^# %%(?P<rest>.*)$")


def cells(text: str) -> Iterator[tuple[int, str, str]]:
    """Code cells of a py:percent source as (first line, header, code), markdown left out."""
    lines = text.splitlines()
    starts = [k for k, line in enumerate(lines) if _HEADER.match(line)]
    for begin, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        header = _HEADER.match(lines[begin])["rest"].strip()
        if not header.startswith("[markdown]"):
            yield begin + 2, header, "\n".join(lines[begin + 1 : end])


def execute(chapter: str, parameters: Mapping[str, Any]) -> None:
    """Run a chapter's cells in this process; figures are left out, records are the same.

    Args:
        chapter: E.g. ``"inrs/line"``.
        parameters: Values that replace those of the cell tagged ``parameters``.

    Raises:
        RunError: if a cell fails; the message shows the cell and its traceback.
        SliceEnd: if the time slice ended between two shards of a recipe.
    """
    source = paths.chapter_source(chapter)
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(source)}
    before = os.getcwd()
    os.environ["ONEBASIN_ROOT"] = str(paths.root())
    os.chdir(source.parent)
    try:
        for line, header, code in cells(source.read_text(encoding="utf8")):
            _run_cell(chapter, line, code, namespace)
            if '"parameters"' in header:
                namespace.update(parameters)
    finally:
        os.chdir(before)


def _run_cell(chapter: str, line: int, code: str, namespace: dict[str, Any]) -> None:
    name = f"{chapter}.py"
    try:
        exec(compile("\n" * (line - 1) + code, name, "exec"), namespace)
    except (SliceEnd, KeyboardInterrupt):
        raise
    except Exception as error:
        shown = "\n".join(f"    {text}" for text in code.strip().splitlines())
        trace = "".join(traceback.format_exception(error)[-6:])
        text = f"chapter {chapter} failed in the cell at line {line}:\n\n{shown}\n\n{trace}"
        raise RunError(text) from None
