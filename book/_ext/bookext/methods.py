"""``{methods}``: the registry as a table, with the look that every plot gives a method."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bookext.html import element

_MARKERS = {"o": "●", "s": "■", "x": "✕", "X": "✕", "D": "◆", "d": "◆", "^": "▲", "v": "▼", "*": "★", "+": "+"}
_DASHES = {"-": "", "--": "7 4", ":": "2 3", "-.": "7 3 2 3"}
_HEADINGS = ("method", "look", "needs", "source")


def swatch(colour: str, marker: str, dash: str) -> nodes.Node:
    """The line sample of a method, described in words for those who do not see it."""
    glyph = _MARKERS.get(marker, "")
    style = {"": "solid", "7 4": "dashed", "2 3": "dotted"}.get(_DASHES.get(dash, ""), "dash-dotted")
    words = f"{colour}, {style} line" + (f", marker {glyph}" if glyph else "")
    line = element(
        "line", x1=2, y1=8, x2=54, y2=8, stroke=colour, stroke_width=2.5,
        stroke_dasharray=_DASHES.get(dash) or None,
    )
    mark = element("text", glyph, x=28, y=13, fill=colour, text_anchor="middle", font_size=14)
    return element("svg", line, mark, viewBox="0 0 56 16", width=56, height=16, role="img", aria_label=words)


class Methods(SphinxDirective):
    """Every registered method: label, look in plots, what it needs, where it comes from."""

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        import onebasin.matching
        from onebasin import registry

        head = element("tr", *(element("th", text, scope="col") for text in _HEADINGS))
        rows = [self.row(method) for method in registry.METHODS.values()]
        body = element("tbody", *rows)
        table = element("table", element("thead", head), body, class_="table ob-table")
        return [element("div", table, class_="ob-scroll", tabindex=0)]

    def row(self, method: object) -> nodes.Node:
        """One method."""
        cite: list[nodes.Node] = [nodes.Text("")]
        if method.cite:
            cite, _ = self.state.inline_text(f"{{cite:t}}`{method.cite}`", self.lineno)
        return element(
            "tr",
            element("td", method.label, " ", element("code", method.name)),
            element("td", swatch(method.colour, method.marker, method.dash)),
            element("td", method.cost),
            element("td", *cite),
        )


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("methods", Methods)
