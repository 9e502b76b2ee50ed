"""Chapters: the executed copy stands in for its source, if it was made from that very source."""

from __future__ import annotations

import json
from pathlib import Path

import jupytext
import nbformat
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from bookext import site
from onebasin.keys import source_mark

LOG = logging.getLogger(__name__)
PREFIX = "notebooks/"


def chapter_of(docname: str) -> str | None:
    """``inrs/line`` of ``notebooks/inrs/line``; None for a page that is no chapter."""
    return docname.removeprefix(PREFIX) if docname.startswith(PREFIX) else None


def source_sha(path: Path) -> str | None:
    """The hash of the source from which an executed copy was made; None if it does not say."""
    try:
        metadata = json.loads(path.read_text(encoding="utf8"))["metadata"]
    except (OSError, ValueError, KeyError):
        return None
    return metadata.get("onebasin", {}).get("source_sha256")


def executed_index(folder: Path) -> dict[str, Path]:
    """Map the hash of a chapter's source to its executed copy in ``folder``."""
    found = {source_sha(path): path for path in sorted(folder.rglob("*.ipynb"))}
    return {key: path for key, path in found.items() if key}


def executed_copy(text: str) -> Path | None:
    """The executed copy of a chapter's source for the profile being built, if it is fresh."""
    return executed_index(site.current().executed).get(source_mark(text))


def read_notebook(text: str) -> nbformat.NotebookNode:
    """Read a chapter: its executed copy if there is a fresh one, else its source with a warning.

    Args:
        text: The chapter's source in py:percent form.

    Returns:
        The notebook, with outputs only if they were made by this source.
    """
    path = executed_copy(text)
    if path is not None:
        return nbformat.read(path, as_version=4)
    notebook = jupytext.reads(text, fmt="py:percent")
    lines = [line for cell in notebook.cells for line in cell.source.splitlines()]
    LOG.warning(
        "chapter %r has no fresh executed copy for profile %s; run `onebasin run` first",
        next((line[2:] for line in lines if line.startswith("# ")), "?"),
        site.current().profile,
        type="onebasin",
        subtype="stale",
    )
    return notebook


def outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Chapters to read again because their executed copy changed though their source did not."""
    index = executed_index(site.current().executed)
    now = {}
    for docname in sorted(env.found_docs):
        path = Path(env.doc2path(docname))
        if path.suffix == ".py":
            copy = index.get(source_mark(path.read_text(encoding="utf8")))
            now[docname] = source_mark(copy.read_text(encoding="utf8")) if copy else ""
    known = getattr(env, "onebasin_executed", {})
    env.onebasin_executed = now
    return [name for name, key in now.items() if known.get(name) not in (None, key)]


def setup(app: Sphinx) -> None:
    """Connect the re-reading of changed executions."""
    app.connect("env-get-outdated", outdated)
