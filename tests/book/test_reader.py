"""Chapters: only an execution of this very source may stand in for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tinysite import Built

CHAPTER = """\
# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # A chapter

# %% mystnb={"figure": {"name": "fig-one", "caption": "A red square."}, "image": {"alt": "ALT"}}
answer = 42
""".replace("ALT", "A square of one colour, red.")
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
SQUARE = SVG + '<rect width="9" height="9" fill="red"/></svg>'
PAGES = {
    "index.md": "# Page\n\n```{toctree}\nnotebooks/part/one\n```\n",
    "notebooks/part/one.py": CHAPTER,
}


def execute(folder: Path, source: str) -> None:
    """Write the executed copy that running ``source`` would give, with a picture as its output."""
    import jupytext
    import nbformat

    from onebasin.keys import source_mark

    notebook = jupytext.reads(source, fmt="py:percent")
    data = {"image/svg+xml": SQUARE, "text/plain": "Figure"}
    notebook.cells[-1]["outputs"] = [nbformat.v4.new_output("display_data", data=data)]
    notebook.metadata["onebasin"] = {"source_sha256": source_mark(source)}
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    path = folder / "_build" / "executed" / "smoke" / "part" / "one.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


def test_a_fresh_execution_is_shown_and_can_be_downloaded(
    build: Callable[..., Built], tmp_path: Path
) -> None:
    execute(tmp_path / "site", CHAPTER)
    built = build(PAGES)
    assert not built.warnings
    page = built.page("notebooks/part/one")
    assert "A red square." in page and 'alt="A square of one colour, red."' in page
    download = built.folder / "_sources" / "notebooks" / "part" / "one.ipynb"
    assert json.loads(download.read_text())["metadata"]["onebasin"]
    assert (built.folder / "_sources" / "notebooks" / "part" / "one.py").read_text() == CHAPTER


@pytest.mark.parametrize("stale", [False, True])
def test_a_missing_or_stale_execution_is_a_warning(
    build: Callable[..., Built], tmp_path: Path, stale: bool
) -> None:
    if stale:
        execute(tmp_path / "site", CHAPTER.replace("42", "41"))
    built = build(PAGES)
    assert "chapter 'A chapter' has no fresh executed copy for profile smoke" in built.warnings
    page = built.page("notebooks/part/one")
    assert "answer" in page and "red" not in page
