"""The book's Sphinx extension: executed chapters, tables from records, offline assets.

Everything a page shows as measured comes from a record at build time. A record that is not there
is shown as "not run"; nothing here computes a result or invents a value.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from bookext import (
    api,
    assets,
    drawn,
    evidence,
    front,
    html,
    ledger,
    measured,
    methods,
    page,
    reader,
    site,
    source,
    tables,
)

_PARTS = (html, evidence, reader, assets, page, source)
_PARTS += (methods, measured, tables, ledger, front, drawn, api)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the nodes, directives, roles and build steps of the book."""
    app.connect("config-inited", lambda app, config: site.configure(app.srcdir), priority=100)
    for part in _PARTS:
        part.setup(app)
    safe = {"parallel_read_safe": True, "parallel_write_safe": True}
    return {"version": "1", "env_version": 1, **safe}
