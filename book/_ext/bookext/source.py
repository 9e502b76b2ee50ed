"""``{source} onebasin.module.name``: the real source of a routine, taken from the library."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bookext.html import element


def locate(name: str) -> tuple[Any, str]:
    """The object called ``name`` and the module that holds it.

    Raises:
        LookupError: if no module holds such a name.
    """
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:cut])
        try:
            found: Any = importlib.import_module(module_name)
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part, None)
        if found is not None:
            return inspect.unwrap(found) if callable(found) else found, module_name
    raise LookupError(f"no object {name!r} to show; write its full dotted name")


def without_docstring(text: str) -> str:
    """The source of one function or class without its docstring."""
    tree = ast.parse(text).body[0]
    body = getattr(tree, "body", [])
    if not (
        isinstance(tree, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(tree) and body[1:]
    ):
        return text
    lines = text.splitlines()
    first, last = body[0].lineno, body[0].end_lineno
    return "\n".join(lines[: first - 1] + lines[last:]) + "\n"


def read(name: str, docstring: bool = False) -> tuple[str, str, int, str]:
    """Source text, file, first line and module of a routine of the library."""
    found, module = locate(name)
    lines, first = inspect.getsourcelines(found)
    text = textwrap.dedent("".join(lines))
    return (
        (text if docstring else without_docstring(text)),
        inspect.getsourcefile(found),
        first,
        module,
    )


class Source(SphinxDirective):
    """Show the source of a routine, without its docstring unless ``:docstring:`` is given."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {
        "docstring": directives.flag,
        "name": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        """Make the listing with a caption that links to the API page."""
        name = self.arguments[0].strip()
        try:
            text, file, first, module = read(name, "docstring" in self.options)
        except (LookupError, OSError, TypeError) as error:
            raise self.error(str(error)) from error
        self.env.note_dependency(file)
        listing = nodes.literal_block(text, text, language="python")
        box = element("figure", self.caption(name, module, first), listing, class_="ob-source")
        self.set_source_info(box)
        self.add_name(box)
        return [box]

    def caption(self, name: str, module: str, first: int) -> nodes.Node:
        """A line that names the routine and leads to its documentation."""
        private = any(part.startswith("_") for part in name.split("."))
        target, kind = (module, "mod") if private else (name, "obj")
        link = addnodes.pending_xref(
            "",
            nodes.literal(name, name),
            refdomain="py",
            reftype=kind,
            reftarget=target,
            refexplicit=True,
            refwarn=True,
        )
        link["py:module"] = link["py:class"] = None
        where = f", {module.replace('.', '/')}.py, line {first}"
        return element("figcaption", link, where)


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("source", Source)
