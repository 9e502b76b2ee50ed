"""Where a checkout of the book keeps its things."""

from __future__ import annotations

import os
from pathlib import Path

from onebasin.errors import RunError

PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """Top folder of the book: ``ONEBASIN_ROOT``, or the nearest one upwards with a ``_toc.yml``.

    Raises:
        RunError: if there is none.
    """
    named = os.environ.get("ONEBASIN_ROOT")
    if named:
        return Path(named).expanduser().resolve()
    here = Path.cwd().resolve()
    for folder in (here, *here.parents, PACKAGE.parents[1]):
        if (folder / "_toc.yml").is_file():
            return folder
    raise RunError(
        f"no book found in {str(here)!r} or above it: change into a checkout of One Basin or name "
        "it by ONEBASIN_ROOT."
    )


def live() -> Path:
    """Folder that runs write records to: ``ONEBASIN_RECORDS``, or ``_build/records``."""
    named = os.environ.get("ONEBASIN_RECORDS")
    return Path(named).expanduser().resolve() if named else root() / "_build" / "records"


def results() -> Path:
    """Folder of the recorded results, which are committed."""
    return root() / "results"


def chapter_source(chapter: str) -> Path:
    """Source file of a chapter, e.g. ``"inrs/line"``."""
    return root() / "notebooks" / f"{chapter}.py"
