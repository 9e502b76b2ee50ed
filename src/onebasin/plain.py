"""One chapter without Jupyter: the cells of its source, run in one namespace."""

from __future__ import annotations

import sys
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any

from onebasin import cells, paths
from onebasin.cells import Cell
from onebasin.errors import ChapterError, InputError, SliceEnd

_MODULE = "chapter"  # where classes that a chapter defines say they live


def execute(
    chapter: str, parameters: Mapping[str, Any], on_cell: Callable[[int, int], None] | None = None
) -> None:
    """Run a chapter's cells in this process; figures are left out, records are the same.

    Args:
        chapter: E.g. ``"inrs/line"``.
        parameters: Values that replace those of the cell tagged ``parameters``.
        on_cell: Called before each cell of code with its number from 1 and how many there are.

    Raises:
        ChapterError: if a cell fails; it holds the cell and its traceback.
        SliceEnd: if the time slice ended between two shards of a recipe.
    """
    source = paths.chapter_source(chapter)
    text = source.read_text(encoding="utf8")
    code = [cell for cell in cells.read(text) if cell.kind == "code"]
    if not any("parameters" in cell.tags for cell in code):
        raise InputError("chapter", chapter, 'has no cell tagged tags=["parameters"]')
    module = types.ModuleType(_MODULE)
    module.__file__ = str(source)
    sys.modules[_MODULE] = module
    try:
        for number, cell in enumerate(code, 1):
            if on_cell is not None:
                on_cell(number, len(code))
            _run_cell(chapter, cell, vars(module))
            if "parameters" in cell.tags:
                vars(module).update(parameters)
    finally:
        del sys.modules[_MODULE]


def _run_cell(chapter: str, cell: Cell, namespace: dict[str, Any]) -> None:
    file = str(paths.chapter_source(chapter))
    try:
        exec(compile("\n" * (cell.line - 1) + cell.source, file, "exec"), namespace)
    except (SliceEnd, KeyboardInterrupt):
        raise
    except Exception as error:
        own = error.__traceback__.tb_next if error.__traceback__ else None
        trace = "".join(traceback.format_exception(type(error), error, own or error.__traceback__))
        raise ChapterError(chapter, cell.line, cell.source, trace) from None
