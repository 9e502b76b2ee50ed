"""Rules of chapters: short cells, declared parameters, figures that can be read without seeing."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from onebasin import cells
from onebasin.cells import Cell

CELL_LINES, CHAPTER_CELLS, IMPORT_LINES, ALT_LETTERS = 30, 40, 8, 40
_KERNEL = re.compile(
    r"\A# ---\n# jupyter:\n(?:#.*\n)*?#   kernelspec:\n(?:#     .*\n)*?#     language: python\n"
)
_SHELL = re.compile(r"^\s*(?:[%!]|get_ipython\(|os\.system\(|subprocess\.)|\bpip3? install\b")


@dataclass(frozen=True)
class Chapter:
    """A chapter's source as the rules see it.

    Args:
        path: Its file, as complaints name it.
        text: The whole source.
        cells: Its cells.
    """

    path: str
    text: str
    cells: list[Cell]

    @property
    def code(self) -> list[Cell]:
        """The cells of code."""
        return [cell for cell in self.cells if cell.kind == "code"]

    def at(self, cell: Cell) -> str:
        """Where a cell stands."""
        return f"{self.path}:{cell.line}"


Rule = Callable[[Chapter], Iterator[str]]


def check(root: Path) -> list[str]:
    """Complaints about all chapters below ``root/notebooks``, and about stray outputs."""
    folder = root / "notebooks"
    found, names = [], Counter[str]()
    for path in sorted(folder.glob("**/*.py")):
        text = path.read_text(encoding="utf8")
        chapter = Chapter(path.relative_to(root).as_posix(), text, cells.read(text))
        found += complaints(chapter)
        names.update(figure_names(chapter))
    found += [f"notebooks: figure name {name!r} is used twice" for name in names if names[name] > 1]
    return found + executed_sources(folder) + not_in_contents(root)


def complaints(chapter: Chapter) -> list[str]:
    """What every rule has to say about one chapter."""
    return [line for rule in RULES for line in rule(chapter)]


def kernel(chapter: Chapter) -> Iterator[str]:
    """The header must name the kernel and its language, or papermill cannot run it."""
    if not _KERNEL.match(chapter.text):
        yield f"{chapter.path}:1: no header with jupyter: kernelspec: language: python"


def headers(chapter: Chapter) -> Iterator[str]:
    """Options in the header line of a cell must be readable."""
    for cell in chapter.cells:
        if cell.fault:
            yield f"{chapter.at(cell)}: cell header: {cell.fault}"


def sizes(chapter: Chapter) -> Iterator[str]:
    """Cells and chapters must be short."""
    for cell in chapter.code:
        if cell.lines > CELL_LINES:
            yield f"{chapter.at(cell)}: cell of {cell.lines} lines, at most {CELL_LINES}"
    if len(chapter.cells) > CHAPTER_CELLS:
        yield f"{chapter.path}: {len(chapter.cells)} cells, at most {CHAPTER_CELLS}"


def imports(chapter: Chapter) -> Iterator[str]:
    """The header's imports must be few, so that they can be taken in."""
    for cell in chapter.code:
        held = [line for line in cell.source.splitlines() if re.match(r"(import|from)\s", line)]
        if len(held) > IMPORT_LINES:
            yield f"{chapter.at(cell)}: {len(held)} import lines, at most {IMPORT_LINES}"


def shell(chapter: Chapter) -> Iterator[str]:
    """No magics, no shell, no installation."""
    for cell in chapter.code:
        for offset, line in enumerate(cell.source.splitlines()):
            if _SHELL.search(line):
                place = f"{chapter.path}:{cell.line + offset}"
                yield f"{place}: magic, shell or install: {line.strip()}"


def parameters(chapter: Chapter) -> Iterator[str]:
    """One tagged cell holds the smoke values, and ``book.start`` is given every one of them."""
    tagged = [cell for cell in chapter.code if "parameters" in cell.tags]
    if len(tagged) != 1:
        yield f'{chapter.path}: {len(tagged)} cells tagged "parameters", there must be one'
        return
    own = {
        node.targets[0].id: node.value
        for node in ast.parse(tagged[0].source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    profile = own.get("profile")
    if not isinstance(profile, ast.Constant) or profile.value != "smoke":
        yield f'{chapter.at(tagged[0])}: the parameters cell must set profile = "smoke"'
    calls = [call for cell in chapter.code for call in cells.called_with(cell, "book.start")]
    if len(calls) != 1:
        yield f"{chapter.path}: {len(calls)} calls of book.start, there must be one"
        return
    given = {keyword.arg for keyword in calls[0].keywords if keyword.arg}
    for name in sorted(set(own) ^ given):
        where = "is not passed to book.start" if name in own else "is not in the parameters cell"
        yield f"{chapter.path}: parameter {name!r} {where}"


def figures(chapter: Chapter) -> Iterator[str]:
    """A figure has a name, a caption, and an alternative text that says what is to be seen."""
    for cell in chapter.code:
        if not cells.called_with(cell, "run.show"):
            continue
        header = cell.metadata.get("mystnb", {})
        figure, alt = header.get("figure", {}), header.get("image", {}).get("alt", "")
        for part in ("name", "caption"):
            if not figure.get(part):
                yield f"{chapter.at(cell)}: figure without {part}"
        if len(alt) < ALT_LETTERS:
            yield f"{chapter.at(cell)}: alt text of {len(alt)} letters, at least {ALT_LETTERS}"
        if alt and alt.strip() == str(figure.get("caption", "")).strip():
            yield f"{chapter.at(cell)}: the alt text repeats the caption"


def twins(chapter: Chapter) -> Iterator[str]:
    """What is interactive must also stand still, for print and for readers without scripts."""
    calls = {
        name: [call for cell in chapter.code for call in cells.called_with(cell, f"run.{name}")]
        for name in ("interact", "show")
    }
    if calls["interact"] and not calls["show"]:
        yield f"{chapter.path}: an interactive figure without a static twin by run.show"


def ending(chapter: Chapter) -> Iterator[str]:
    """The last cell writes the records; its digest line is what a second run is compared by."""
    last = chapter.code[-1] if chapter.code else None
    if last is None or not cells.called_with(last, "run.finish"):
        yield f"{chapter.path}: the last cell of code must be run.finish()"
    elif "nbval-check-output" not in last.tags:
        yield f'{chapter.at(last)}: the last cell must be tagged "nbval-check-output"'


def figure_names(chapter: Chapter) -> list[str]:
    """Names of all its figures."""
    headers = [cell.metadata.get("mystnb", {}) for cell in chapter.code]
    return [one["figure"]["name"] for one in headers if one.get("figure", {}).get("name")]


def executed_sources(folder: Path) -> list[str]:
    """Notebooks with outputs do not belong among the sources."""
    found = sorted(folder.glob("**/*.ipynb"))
    return [f"notebooks/{path.relative_to(folder)}: executed notebooks stay out" for path in found]


def not_in_contents(root: Path) -> list[str]:
    """Every chapter must be in the table of contents."""
    contents = (root / "_toc.yml").read_text(encoding="utf8")
    found = []
    for path in sorted((root / "notebooks").glob("*/*.py")):
        name = path.relative_to(root).with_suffix("").as_posix()
        if not re.search(rf"\b{re.escape(name)}(\.py)?\s*$", contents, re.MULTILINE):
            found.append(f"_toc.yml: chapter {name} is not in it")
    return found


RULES: tuple[Rule, ...] = (
    kernel,
    headers,
    sizes,
    imports,
    shell,
    parameters,
    figures,
    twins,
    ending,
)
