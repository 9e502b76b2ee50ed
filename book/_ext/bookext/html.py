"""One node for every piece of HTML that docutils has no node for, so that its content stays text.

Text inside these nodes is searched, its formulas are set and its references are resolved like any
other text of the page; raw HTML would hide all of that from Sphinx.
"""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

_VOID = {"input", "br", "hr", "img"}


class Element(nodes.General, nodes.Inline, nodes.TextElement):
    """An HTML element with docutils children; its tag and attributes stand in ``ob``."""


def element(tag: str, *children: nodes.Node | str, **attributes: Any) -> Element:
    """Make an element: ``element("p", "text", class_="note", data_x="1")``.

    Args:
        tag: Name of the HTML element.
        children: Nodes, or strings that become text.
        attributes: HTML attributes; a trailing underscore is dropped, others become hyphens.
            ``None`` and ``False`` leave an attribute out, ``True`` sets it without a value.
    """
    node = Element("", "")
    node["ob_tag"] = tag
    node["ob_attributes"] = {
        name.rstrip("_").replace("_", "-"): value
        for name, value in attributes.items()
        if value is not None and value is not False
    }
    node.extend(nodes.Text(child) if isinstance(child, str) else child for child in children)
    return node


def link(kind: str, target: str, shown: nodes.Node, here: str) -> nodes.Node:
    """A reference that Sphinx resolves later, and reports if it cannot.

    Args:
        kind: ``"doc"`` for a page, ``"ref"`` for a label.
        target: The page, from the top, or the label.
        shown: What the reader sees; for a page it gives way to the page's title.
        here: The page that holds the reference.
    """
    options = {"refdomain": "std", "reftype": kind, "refdoc": here, "refwarn": True}
    explicit = kind == "ref"
    return addnodes.pending_xref("", shown, reftarget=target, refexplicit=explicit, **options)


def opening(node: Element) -> str:
    """The element's start tag."""
    pairs = (
        name if value is True else f'{name}="{escape(str(value), quote=True)}"'
        for name, value in node["ob_attributes"].items()
    )
    return f"<{' '.join([node['ob_tag'], *pairs])}>"


def visit_html(translator: Any, node: Element) -> None:
    """Write the start tag."""
    translator.body.append(opening(node))


def depart_html(translator: Any, node: Element) -> None:
    """Write the end tag."""
    if node["ob_tag"] not in _VOID:
        translator.body.append(f"</{node['ob_tag']}>")


def ignore(translator: Any, node: Element) -> None:
    """Other writers show the children alone."""


def setup(app: Sphinx) -> None:
    """Make the node known to the writers."""
    plain = (ignore, ignore)
    app.add_node(Element, html=(visit_html, depart_html), latex=plain, text=plain, man=plain)
