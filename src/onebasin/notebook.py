"""One chapter through Jupyter: py:percent source in, executed copy with outputs out."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onebasin import files, paths
from onebasin.errors import RunError, SliceEnd

#: What Jupyter and its tools leave in cells that differs from run to run.
_PRIVATE = ("execution", "papermill")


def execute(chapter: str, parameters: Mapping[str, Any]) -> Any:
    """Execute a chapter with papermill.

    Args:
        chapter: E.g. ``"inrs/line"``.
        parameters: Values for the cell tagged ``parameters``.

    Returns:
        The executed notebook, without what differs from run to run.

    Raises:
        RunError: if a cell fails; the message shows the cell and its traceback.
        SliceEnd: if the time slice ended between two shards of a recipe.
    """
    with tempfile.TemporaryDirectory(prefix="onebasin-") as folder:
        notebook = _run(chapter, parameters, Path(folder))
    _tidy(notebook)
    return notebook


def save(notebook: Any, target: Path, mark: Mapping[str, Any]) -> None:
    """Write an executed copy, whole or not at all, with the mark of its run in its metadata."""
    import nbformat

    notebook.metadata["onebasin"] = dict(mark)
    files.write(target, nbformat.writes(notebook).encode())


def read_mark(target: Path) -> dict[str, Any]:
    """The mark of an executed copy; empty where there is none, or the copy is damaged."""
    try:
        return json.loads(target.read_text(encoding="utf8"))["metadata"]["onebasin"]
    except (OSError, ValueError, KeyError):
        return {}


def _run(chapter: str, parameters: Mapping[str, Any], folder: Path) -> Any:
    import jupytext
    import nbformat
    import papermill

    text = paths.chapter_source(chapter).read_text(encoding="utf8")
    raw, part = folder / "raw.ipynb", folder / "part.ipynb"
    nbformat.write(jupytext.reads(text, fmt="py:percent"), raw)
    try:
        return papermill.execute_notebook(
            raw,
            part,
            parameters=dict(parameters),
            kernel_name="python3",
            cwd=paths.chapter_source(chapter).parent,
            progress_bar=False,
            log_output=False,
        )
    except papermill.PapermillExecutionError as error:
        if error.ename == "SliceEnd":
            raise SliceEnd(error.evalue) from None
        raise RunError(_explain(chapter, error)) from None


def _explain(chapter: str, error: Any) -> str:
    lines = [f"chapter {chapter} failed in this cell:", ""]
    lines += [f"    {line}" for line in error.source.splitlines()]
    return "\n".join([*lines, "", *error.traceback])


def _tidy(notebook: Any) -> None:
    """Show the injected parameters instead of the default ones; drop times and paths."""
    tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
    injected = any("injected-parameters" in own for own in tags)
    for cell, own in zip(notebook.cells, tags, strict=True):
        if injected and "parameters" in own:
            cell.metadata["tags"] = [*own, "remove-cell"]
        for name in _PRIVATE:
            cell.metadata.pop(name, None)
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)


def quiet_environment(threads: int | None) -> dict[str, str]:
    """Environment for kernels: no progress bars, no web viewers, a fixed number of threads."""
    quiet = {
        "OPEN3D_DISABLE_WEB_VISUALIZER": "true",
        "TQDM_DISABLE": "1",
        "PYTHONHASHSEED": "0",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "ONEBASIN_ROOT": str(paths.root()),
        "ONEBASIN_RECORDS": str(paths.live()),
    }
    if threads is not None:
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        quiet |= dict.fromkeys(names, str(threads))
    return {**os.environ, **quiet}
