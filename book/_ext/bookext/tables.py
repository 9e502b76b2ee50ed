"""Tables of what runs cost: ``{cost} CHAPTER`` on a chapter, ``{status}`` for the whole book."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bookext import evidence, numbers, reader, site
from bookext.html import element, link
from onebasin import provenance
from onebasin.records import Record

Cell = nodes.Node | str | Sequence[nodes.Node | str]
_COST = ("profile", "time", "memory", "device", "threads", "made on", "at commit", "state")


def cell(tag: str, content: Cell, **attributes: Any) -> nodes.Node:
    """One table cell."""
    parts = [content] if isinstance(content, nodes.Node | str) else list(content)
    return element(tag, *parts, **attributes)


def table(heads: Sequence[str], rows: Iterable[Sequence[Cell]], caption: str) -> nodes.Node:
    """A table in a box that scrolls by itself if it is too wide; its caption is only read out."""
    head = element("tr", *(cell("th", text, scope="col") for text in heads))
    body = [element("tr", *(cell("td", one) for one in row)) for row in rows]
    parts = [element("caption", caption), element("thead", head), element("tbody", *body)]
    held = element("table", *parts, class_="table ob-table")
    return element("div", held, class_="ob-scroll", tabindex=0, role="region", aria_label=caption)


def missing() -> nodes.Node:
    """The words for what has no record."""
    return element("span", numbers.MISSING, class_="ob-missing")


def state(records: Sequence[Record]) -> Cell:
    """Whether the sources are still what they were when these records were made."""
    for one in records:
        since = provenance.stale_since(dict(one.sources), one.commit)
        if since:
            return element("span", f"stale since {since}", class_="ob-stale")
    kind = "recorded" if any(evidence.is_recorded(one) for one in records) else "this build"
    return kind


def cost_row(profile: str, records: Sequence[Record]) -> list[Cell]:
    """Time, memory, device and origin of one chapter at one profile that was run."""
    seconds = max(one.seconds.get("chapter") or 0 for one in records)
    peak = max(max(one.peak_memory_mb.values(), default=0) for one in records)
    newest = max(records, key=lambda one: one.created)
    commit = (newest.commit or "unknown")[:10] + ("+" if newest.dirty else "")
    devices = ", ".join(sorted({one.device for one in records}))
    threads = ", ".join(str(n) for n in sorted({one.threads for one in records}))
    time = numbers.duration(seconds) if seconds else "not measured"
    made = element("span", newest.created[:10], class_="ob-nowrap")
    memory = numbers.memory(peak * 1e6)
    return [profile, time, memory, devices, threads, made, commit, state(records)]


def cost_rows(chapter: str) -> list[list[Cell]]:
    """A row for each profile that was run, and one that names those that were not."""
    held = {profile: evidence.of_chapter(chapter, profile) for profile in site.PROFILES}
    rows = [cost_row(profile, records) for profile, records in held.items() if records]
    lacking = [profile for profile, records in held.items() if not records]
    return rows + [[", ".join(lacking), missing(), *[""] * (len(_COST) - 2)]] * bool(lacking)


def pages(known: Iterable[str]) -> list[str]:
    """Pages of the chapters, as the table of contents orders them."""
    contents = site.current().root / "_toc.yml"
    text = contents.read_text(encoding="utf8") if contents.is_file() else ""
    found = [name for name in known if reader.chapter_of(name)]
    return sorted(found, key=lambda name: (text.find(name) if name in text else len(text), name))


class Cost(SphinxDirective):
    """What running a chapter took, one row for each profile."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        evidence.mark(self.env)
        chapter = self.arguments[0].strip()
        return [table(_COST, cost_rows(chapter), f"Cost of chapter {chapter}")]


class Status(SphinxDirective):
    """Every chapter and every recipe: what was run, where and when."""

    def run(self) -> list[nodes.Node]:
        """Make both tables."""
        evidence.mark(self.env)
        self.env.note_reread()
        order = [reader.chapter_of(name) for name in pages(self.env.found_docs)]
        known = {one.chapter for one in evidence.all_records()}
        rows = []
        for chapter in [*order, *sorted(known - set(order))]:
            shown = self.page(chapter, f"{reader.PREFIX}{chapter}" if chapter in order else None)
            costs = cost_rows(chapter)
            rows += [[shown if i == 0 else "", *row] for i, row in enumerate(costs)]
        heading = element("p", element("strong", "Chapters"))
        return [heading, table(("chapter", *_COST), rows, "Runs of the chapters"), *self.recipes()]

    def page(self, chapter: str, docname: str | None) -> Cell:
        """The chapter's title as a link, or its name where it has no page."""
        if docname is None:
            return element("code", chapter)
        return link("doc", f"/{docname}", nodes.inline("", chapter), self.env.docname)

    def recipes(self) -> list[nodes.Node]:
        """The artifacts that records name, with what making them took."""
        used: dict[str, dict[str, Any]] = {}
        for one in evidence.all_records():
            for recipe in one.recipes:
                name = f"{recipe.get('name')}/{recipe.get('key')}"
                entry = used.setdefault(name, {**recipe, "by": set()})
                entry["by"].add(f"{one.chapter} ({one.profile})")
        about = ": expensive things that chapters share, made once and kept in the artifact store"
        heading = element("p", element("strong", "Recipes"), about)
        rows = [
            [
                element("code", name),
                numbers.duration(entry.get("seconds")),
                numbers.duration(entry.get("budget_seconds")),
                ", ".join(sorted(entry["by"])),
            ]
            for name, entry in sorted(used.items())
        ]
        if not rows:
            return [heading, element("p", missing(), ": no record names a recipe yet")]
        return [heading, table(("recipe", "time to make", "budget", "used by"), rows, "Recipes")]


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("cost", Cost)
    app.add_directive("status", Status)
