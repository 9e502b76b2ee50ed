"""What stands around every page: downloads above; version, commit and profile below."""

from __future__ import annotations

import shutil
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from bookext import reader, site

Context = dict[str, Any]


def stamp(profile: str, commit: str, version: str) -> str:
    """The line at the foot of every page, as HTML."""
    parts = (f"One Basin {version}", f"commit {commit}", f"profile {profile}")
    return '<p class="ob-stamp">' + " · ".join(f"<span>{escape(p)}</span>" for p in parts) + "</p>"


def chapter_files(app: Sphinx, pagename: str) -> tuple[Path, Path | None] | None:
    """Source and executed copy of a chapter; None for other pages."""
    if reader.chapter_of(pagename) is None or pagename not in app.env.found_docs:
        return None
    path = Path(app.env.doc2path(pagename))
    return path, reader.executed_copy(path.read_text(encoding="utf8"))


def publish(app: Sphinx, pagename: str, executed: Path) -> str:
    """Copy an executed notebook beside the page sources; return its path below them."""
    name = f"{pagename}.ipynb"
    target = Path(app.outdir) / "_sources" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(executed, target)
    return name


def downloads(source: str, notebook: str | None) -> str:
    """Links to a chapter's files, as HTML."""
    links = [(source, "source (.py)")] + (
        [(notebook, "executed notebook (.ipynb)")] if notebook else []
    )
    shown = " · ".join(f'<a href="{escape(url)}" download>{text}</a>' for url, text in links)
    return f'<p class="ob-downloads">This chapter: {shown}</p>'


def add_context(
    app: Sphinx, pagename: str, template: str, context: Context, doctree: nodes.document | None
) -> None:
    """Set the foot of the page and, on a chapter, where its files can be downloaded."""
    import onebasin

    here = site.current()
    foot = stamp(here.profile, here.commit, onebasin.__version__)
    files = chapter_files(app, pagename)
    if files is not None:
        sources = context["pathto"]("_sources", 1)
        if files[1] is not None:
            context["ipynb_source"] = publish(app, pagename, files[1])
        notebook = f"{sources}/{pagename}.ipynb" if files[1] else None
        foot = downloads(f"{sources}/{context['sourcename']}", notebook) + foot
    context["theme_extra_footer"] = foot


def setup(app: Sphinx) -> None:
    """Connect; the theme builds its download menu later, at priority 501."""
    app.connect("html-page-context", add_context, priority=490)
