"""What the book found so far: over all, by part, and one part claim by claim."""

from __future__ import annotations

from collections.abc import Sequence

from docutils import nodes
from sphinx.application import Sphinx

from bookext import evidence, reader, site
from bookext.claimviews import TITLES, ClaimDirective, ordered, primary_cells, tally, verdict_cell
from bookext.html import element, link
from bookext.measured import badge
from bookext.tables import Cell, missing, table
from onebasin import claims
from onebasin.claims import Claim


class Findings(ClaimDirective):
    """``{findings}``: how many claims have which verdict, over all and by part."""

    def run(self) -> list[nodes.Node]:
        """Make the sentence, the tally and the table of parts."""
        evidence.mark(self.env)
        self.env.note_reread()
        rows = list(claims.load().values())
        judged = [claim for claim in rows if evidence.outcomes(claim.id)]
        profiles = [p for p in site.PROFILES if any(p in evidence.outcomes(c.id) for c in rows)]
        total = element("strong", f"{len(judged)} of {len(rows)}")
        papers = "The five papers make claims that can be checked; "
        rest = " have been judged so far, each by a rule written before the run."
        words = element("p", papers, total, rest)
        lines = [tally(judged, profiles)] if judged else []
        return [element("div", words, *lines, class_="ob-findings")]


class Parts(ClaimDirective):
    """``{parts}``: the parts of the book with their chapters and verdicts."""

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        evidence.mark(self.env)
        self.env.note_reread()
        rows = [self.row(part) for part in claims.PARTS]
        heads = ("part", "chapters", "claims", "verdicts so far")
        shown = table(heads, [row for row in rows if row], "Parts of the book")
        return [element("div", shown, class_="ob-parts")]

    def row(self, part: str) -> list[Cell]:
        """One part; without chapters it says that it is not written yet."""
        held = [claim for claim in claims.load().values() if claim.part == part]
        if not held:
            return []
        chapters = list(dict.fromkeys(claim.chapter for claim in held if claim.chapter))
        there = [name for name in chapters if f"{reader.PREFIX}{name}" in self.env.found_docs]
        links: list[Cell] = []
        for name in there:
            links += [" · "] * bool(links) + [self.to_page(f"{reader.PREFIX}{name}")]
        title = [element("strong", f"{part}. {TITLES[part]}")]
        not_written = element("span", "not written yet", class_="ob-missing")
        return [title, links or not_written, str(len(held)), self.best(held)]

    def to_page(self, docname: str) -> nodes.Node:
        """A link that carries the page's own title."""
        return link("doc", f"/{docname}", nodes.inline("", docname), self.env.docname)

    def best(self, rows: Sequence[Claim]) -> Cell:
        """Counts at the largest profile of each claim."""
        largest = [ordered(evidence.outcomes(claim.id))[-1:] for claim in rows]
        words = [held[0][1].verdict for held in largest if held]
        if not words:
            return missing()
        return [
            element("span", f"{words.count(verdict)} ", badge(verdict), class_="ob-count")
            for verdict in claims.VERDICTS
            if verdict in words
        ]


class Summary(ClaimDirective):
    """``{summary} PART``: every claim of a part with what the largest run measured."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        evidence.mark(self.env)
        self.env.note_reread()
        part = self.arguments[0].strip()
        held = [claim for claim in claims.load().values() if claim.part == part]
        if not held:
            raise self.error(f"summary: no claim of the ledger belongs to part {part!r}")
        heads = ("claim", "measured", "ours", "n", "profile", "verdict", "chapter")
        return [table(heads, [self.row(claim) for claim in held], f"Claims of part {part}")]

    def row(self, claim: Claim) -> list[Cell]:
        """One claim."""
        found = ordered(evidence.outcomes(claim.id))[-1:]
        page = self.to_chapter(claim.chapter) if claim.chapter else ""
        what = self.inline(claim.measures[claim.primary])
        if not found:
            why = element("span", badge(claims.NOT_RUN), title=claim.reason or "")
            return [self.to_claim(claim), what, missing(), "", "", why, page]
        profile, outcome = found[0]
        judged = verdict_cell(outcome)
        return [self.to_claim(claim), what, *primary_cells(outcome), profile, judged, page]


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("findings", Findings)
    app.add_directive("parts", Parts)
    app.add_directive("summary", Summary)
