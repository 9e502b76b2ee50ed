"""``{api} PACKAGE …``: reference pages from docstrings, module by module."""

from __future__ import annotations

import builtins
import importlib
import pkgutil
import re
import sys
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

_SPAN = re.compile(r"(`[^`]+`|``[^`]+``)")
_KEY = re.compile(r"\[([a-z]+\d{4}|flowweights)\]")


def modules(name: str) -> list[str]:
    """A module, or every public module of a package, in alphabetic order."""
    found = importlib.import_module(name)
    if not hasattr(found, "__path__"):
        return [name]
    inside = sorted(pkgutil.iter_modules(found.__path__), key=lambda one: one.name)
    public = [f"{name}.{one.name}" for one in inside if not one.name.startswith("_")]
    return [part for one in public for part in modules(one)]


def plain_bars(lines: list[str]) -> list[str]:
    """Docstring lines in which ``|x|`` outside code and formulas is a modulus again."""
    done, math = [], None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if math is not None and line.strip() and indent <= math:
            math = None
        if line.lstrip().startswith(".. math::"):
            math = indent
        pieces = _SPAN.split(line) if math is None else [line]
        pieces[::2] = [
            piece.replace("|", r"\|") if math is None else piece for piece in pieces[::2]
        ]
        done.append("".join(pieces))
    return done


def cite(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Make a docstring fit for a page: ``[ainsworth2023]`` becomes a citation, bars stay bars."""
    lines[:] = [_KEY.sub(r":cite:t:`\1`", line) for line in plain_bars(lines)]


def keep_colons(
    app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]
) -> None:
    """Put back a sentence with a colon that Napoleon took for a type ("A distance: …")."""
    taken = [line for line in lines if line.startswith(":type: ") and " " in line[7:].strip()]
    if what in ("attribute", "data", "property") and taken and "[" not in taken[0]:
        lines.remove(taken[0])
        lines[0] = f"{taken[0][7:].strip()}: {lines[0]}"


def exists(target: str, module: str | None) -> bool:
    """Whether a name stands for something: in the module, built in, importable, in the library."""
    name = target.split("[")[0]
    holders: list[Any] = [builtins]
    parts = name.split(".")
    for cut in range(len(parts) - 1, -1, -1):
        at = ".".join(parts[:cut]) or module
        try:
            holder: Any = importlib.import_module(at) if at else None
        except (ImportError, ValueError):
            continue
        for part in parts[cut:]:
            fields = getattr(holder, "__annotations__", {})
            holder = getattr(holder, part, fields.get(part))
        if holder is not None:
            return True
    # What a class inherits is documented where it is inherited, in the words of its own module.
    holders += [one for path, one in list(sys.modules.items()) if path.startswith("onebasin.")]
    return any(hasattr(holder, name) for holder in holders)


def missing_reference(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, text: nodes.Element
) -> nodes.Node | None:
    """Resolve short names of the library; let names that exist but have no page stand as text.

    A misspelt name stays unresolved, so that the build fails on it.
    """
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    domain = env.get_domain("py")
    ends = [
        name
        for name in domain.objects
        if name.endswith(f".{target}") and not domain.objects[name].aliased
    ]
    if len(ends) == 1:
        return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", ends[0], node, text)
    return text if exists(target, node.get("py:module")) else None


class Api(SphinxDirective):
    """One section for each module, from its docstrings."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Parse an ``automodule`` for every module named."""
        names = [one for argument in self.arguments[0].split() for one in modules(argument)]
        return [self.section(name) for name in names]

    def section(self, name: str) -> nodes.Node:
        """The section of one module."""
        title = nodes.title("", "", nodes.literal(name, name))
        section = nodes.section(
            "", title, ids=[nodes.make_id(f"api-{name}")], names=[f"api {name}"]
        )
        text = f"```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n```"
        held = nodes.Element()
        source = self.get_source_info()[0]
        self.state.nested_parse(StringList(text.splitlines(), source), 0, held)
        section.extend(held.children)
        return section


def setup(app: Sphinx) -> None:
    """Register the directive and what makes docstrings fit for pages."""
    app.add_directive("api", Api)
    app.connect("autodoc-process-docstring", cite, priority=400)
    app.connect("autodoc-process-docstring", keep_colons, priority=600)
    app.connect("missing-reference", missing_reference)
