"""``{methods}`` and ``{packs}``: what the library has registered, as tables."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bookext import numbers
from bookext.html import element
from bookext.tables import Cell, table
from onebasin.registry import Method

_MARKERS = {
    "o": "●",
    "s": "■",
    "x": "✕",
    "X": "✕",
    "D": "◆",
    "d": "◆",
    "^": "▲",
    "v": "▼",
    "*": "★",
    "+": "+",
}
_DASHES = {"-": "", "--": "7 4", ":": "2 3", "-.": "7 3 2 3"}


def swatch(colour: str, marker: str, dash: str) -> nodes.Node:
    """The line sample of a method, described in words for those who do not see it."""
    glyph = _MARKERS.get(marker, "")
    style = {"": "solid", "7 4": "dashed", "2 3": "dotted"}.get(
        _DASHES.get(dash, ""), "dash-dotted"
    )
    words = f"{colour}, {style} line" + (f", marker {glyph}" if glyph else "")
    line = element(
        "line",
        x1=2,
        y1=8,
        x2=54,
        y2=8,
        stroke=colour,
        stroke_width=2.5,
        stroke_dasharray=_DASHES.get(dash) or None,
    )
    mark = element("text", glyph, x=28, y=13, fill=colour, text_anchor="middle", font_size=14)
    return element(
        "svg", line, mark, viewBox="0 0 56 16", width=56, height=16, role="img", aria_label=words
    )


class Methods(SphinxDirective):
    """Every registered method: label, look in plots, what it needs, where it comes from."""

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        from onebasin import registry

        rows = [self.row(method) for method in registry.methods().values()]
        return [table(("method", "name", "look", "needs", "source"), rows, "Methods")]

    def row(self, method: Method) -> list[Cell]:
        """One method."""
        cite: list[nodes.Node] = []
        if method.cite:
            cite, _ = self.state.inline_text(f"{{cite:t}}`{method.cite}`", self.lineno)
        look = swatch(method.colour, method.marker, method.dash)
        return [method.label, element("code", method.name), look, method.cost, cite]


class Packs(SphinxDirective):
    """The data files that a local folder may hold, with size, terms and checksum."""

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        from onebasin.data.packs import PACKS

        heads = ("file", "size", "terms", "note", "SHA-256 begins")
        rows = [
            [
                element("code", f"{pack.name}.npz"),
                numbers.memory(pack.size),
                pack.terms,
                pack.note,
                element("code", pack.sha256[:12]),
            ]
            for pack in PACKS.values()
        ]
        return [table(heads, rows, "Data packs")]


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("methods", Methods)
    app.add_directive("packs", Packs)
