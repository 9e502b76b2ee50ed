"""One chapter through Jupyter: py:percent source in, executed copy with outputs out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from onebasin import cells, files, keys, paths, provenance
from onebasin.errors import ChapterError, RunError, SliceEnd

_PRIVATE = ("execution", "papermill")  # what differs from run to run
_START_SECONDS = 300  # a kernel may take long to start on a busy machine
OnCell = Callable[[int, int], None]


def execute(
    chapter: str, parameters: Mapping[str, Any], folder: Path, on_cell: OnCell | None = None
) -> Any:
    """Execute a chapter with papermill.

    Args:
        chapter: E.g. ``"inrs/line"``.
        parameters: Values for the cell tagged ``parameters``.
        folder: For files on the way.
        on_cell: Called before each cell with its number from 1 and how many there are.

    Returns:
        The executed notebook, without what differs from run to run.

    Raises:
        ChapterError: if a cell fails; it holds the cell and its traceback.
        RunError: if the kernel dies.
        SliceEnd: if the time slice ended between two shards of a recipe.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError

    source = paths.chapter_source(chapter)
    raw, part = folder / "raw.ipynb", folder / "part.ipynb"
    nbformat.write(_parse(source.read_text(encoding="utf8")), raw)
    try:
        done = papermill.execute_notebook(
            raw,
            part,
            parameters=dict(parameters),
            engine_name=_engine(on_cell),
            kernel_name="python3",
            cwd=source.parent,
            progress_bar=False,
            start_timeout=_START_SECONDS,
        )
    except papermill.PapermillExecutionError as error:
        if error.ename == "SliceEnd":
            raise SliceEnd(error.evalue) from None
        _keep_failed(part, chapter, str(parameters.get("profile")))
        raise _failure(chapter, error) from None
    except DeadKernelError as error:
        raise RunError(
            f"the kernel of {chapter} died without a word: most likely memory ran out; close other "
            "programs or run fewer chapters at a time (-j 1)."
        ) from error
    return _tidy(done)


def save(executed: Any, chapter: str, profile: str, mark: Mapping[str, Any]) -> None:
    """Write an executed copy, whole or not at all, with what it was made from in its metadata."""
    import nbformat

    executed.metadata["onebasin"] = dict(mark)
    files.write(keys.executed_path(chapter, profile), nbformat.writes(executed).encode())


def refresh(chapter: str, profile: str) -> bool:
    """Put changed prose, captions and comments around the outputs of an executed copy.

    Returns:
        False if the code differs, so that nothing could be done.
    """
    import nbformat

    path = keys.executed_path(chapter, profile)
    text = paths.chapter_source(chapter).read_text(encoding="utf8")
    old, new = nbformat.read(path, as_version=4), _parse(text)
    tags = [cell.metadata.get("tags", []) for cell in old.cells]
    injected = [cell for cell, own in zip(old.cells, tags, strict=True) if _INJECTED in own]
    held = [cell for cell in old.cells if cell.cell_type == "code" and cell not in injected]
    fresh = [cell for cell in new.cells if cell.cell_type == "code"]
    if [provenance.fingerprint(cell.source) for cell in held] != [
        provenance.fingerprint(cell.source) for cell in fresh
    ]:
        return False
    for before, after in zip(held, fresh, strict=True):
        after.outputs, after.execution_count = before.outputs, before.execution_count
    for cell in injected:
        place = next(k for k, one in enumerate(new.cells) if "parameters" in _tags(one))
        new.cells.insert(place + 1, cell)
    new.metadata.update({k: v for k, v in old.metadata.items() if k == "language_info"})
    mark = {**old.metadata["onebasin"], "source_sha256": keys.source_mark(text)}
    save(_tidy(new), chapter, profile, mark)
    return True


_INJECTED = "injected-parameters"


def _tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _parse(text: str) -> Any:
    import jupytext

    notebook = jupytext.reads(text, fmt="py:percent")
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"  # jupytext draws them at random
    return notebook


def _engine(on_cell: OnCell | None) -> str:
    """Register papermill's own engine with a call before each cell; gives its name."""
    from papermill.engines import NBClientEngine, papermill_engines

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
            begin, total = nb_man.cell_start, len(nb_man.nb.cells)

            def told(cell: Any, cell_index: int | None = None, **more: Any) -> None:
                if on_cell is not None and cell_index is not None:
                    on_cell(cell_index + 1, total)
                begin(cell, cell_index, **more)

            nb_man.cell_start = told
            super().execute_managed_notebook(nb_man, kernel_name, **options)

    papermill_engines.register("onebasin", Engine)
    return "onebasin"


def _failure(chapter: str, error: Any) -> ChapterError:
    text = paths.chapter_source(chapter).read_text(encoding="utf8")
    lines = [one.line for one in cells.read(text) if one.source.strip() == error.source.strip()]
    return ChapterError(
        chapter, lines[0] if lines else None, error.source, "\n".join(error.traceback)
    )


def _keep_failed(part: Path, chapter: str, profile: str) -> None:
    """Keep the half executed notebook where it can be looked at but no page is made from it."""
    target = keys.build_folder() / "failed" / profile / f"{chapter}.ipynb"
    if part.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(part, target)


def _tidy(notebook: Any) -> Any:
    """Show the injected parameters instead of the default ones; drop times and paths."""
    injected = any(_INJECTED in _tags(cell) for cell in notebook.cells)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"
        if injected and "parameters" in _tags(cell):
            cell.metadata["tags"] = [*_tags(cell), "remove-cell"]
        for name in _PRIVATE:
            cell.metadata.pop(name, None)
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    return notebook
