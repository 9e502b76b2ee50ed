"""The ledger page, and the verdicts that a chapter shows: one card for each claim."""

from __future__ import annotations

from collections.abc import Sequence

from docutils import nodes
from sphinx.application import Sphinx

from bookext import evidence, site
from bookext.claimviews import (
    TITLES,
    ClaimDirective,
    details,
    label,
    ordered,
    source_words,
    tally,
)
from bookext.html import element
from bookext.measured import badge
from onebasin import claims
from onebasin.claims import Claim


class Verdicts(ClaimDirective):
    """``{verdicts} CHAPTER``: what the papers report beside what was measured, claim by claim."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make a card with a table for each claim of the chapter, in the order of the ledger."""
        evidence.mark(self.env)
        chapter = self.arguments[0].strip()
        rows = [claim for claim in claims.load().values() if claim.chapter == chapter]
        if not rows:
            raise self.error(f"verdicts: no claim of the ledger belongs to chapter {chapter!r}")
        return [element("div", *(self.show(claim) for claim in rows), class_="ob-verdicts")]

    def show(self, claim: Claim) -> nodes.Node:
        """One claim."""
        outcomes = evidence.outcomes(claim.id)
        where = element("span", source_words(claim), class_="ob-where")
        head = element("div", self.to_claim(claim), where, class_="ob-claim-head")
        rows = {"paper": claim.paper, "measured": claim.measures[claim.primary]}
        pairs = [(element("dt", k), element("dd", *self.inline(text))) for k, text in rows.items()]
        listed = element("dl", *(node for pair in pairs for node in pair))
        body = [listed, *self.results(claim, outcomes), details(self, claim, outcomes)]
        return element("div", head, *body, class_="ob-claim")


class Ledger(ClaimDirective):
    """``{ledger}``: every claim as a card, grouped by part, with a filter."""

    def run(self) -> list[nodes.Node]:
        """Make the filter and the cards."""
        evidence.mark(self.env)
        self.env.note_reread()
        rows = list(claims.load().values())
        parts = [part for part in claims.PARTS if any(claim.part == part for claim in rows)]
        src = "../_static/ledger.js"
        script = nodes.raw("", f'<script src="{src}" defer></script>', format="html")
        shown = [self.part(part, [claim for claim in rows if claim.part == part]) for part in parts]
        return [tally(rows), self.filter(parts), *shown, script]

    def filter(self, parts: Sequence[str]) -> nodes.Node:
        """The form above the cards."""

        def choose(name: str, text: str, options: Sequence[tuple[str, str]]) -> nodes.Node:
            every = element("option", "all", value="")
            listed = [element("option", shown, value=value) for value, shown in options]
            return element("label", text, element("select", every, *listed, name=name))

        words = element("input", type="search", name="text", autocomplete="off")
        search = element("label", "words", words)
        part = choose("part", "part", [(p, f"{p}. {TITLES[p]}") for p in parts])
        verdict = choose("verdict", "verdict", [(v, v) for v in claims.VERDICTS])
        profile = choose("profile", "profile", [(p, p) for p in site.PROFILES])
        fields = (search, part, verdict, profile, element("output"))
        return element("form", *fields, class_="ob-filter", role="search")

    def part(self, part: str, rows: Sequence[Claim]) -> nodes.Node:
        """One part as a section of the page."""
        title = f"Part {part}. {TITLES[part]}"
        section = nodes.section("", nodes.title(title, title), classes=["ob-part"])
        section["ids"], section["names"] = [f"part-{part.lower()}"], [title.lower()]
        section.extend(self.card(claim) for claim in rows)
        return section

    def card(self, claim: Claim) -> nodes.Node:
        """One claim."""
        outcomes = evidence.outcomes(claim.id)
        name = label(claim.id)
        std = self.env.get_domain("std")
        std.labels[name] = (self.env.docname, name, claim.id)
        std.anonlabels[name] = (self.env.docname, name)
        badges = [element("span", f"{p} ", badge(o.verdict)) for p, o in ordered(outcomes)]
        where = element("span", source_words(claim), class_="ob-where")
        shown = [
            element("code", claim.id, class_="ob-id"),
            where,
            *(badges or [badge(claims.NOT_RUN)]),
        ]
        head = element("div", *shown, class_="ob-claim-head")
        statement = element("p", *self.inline(claim.statement), class_="ob-statement")
        body = [statement, self.facts(claim), *self.results(claim, outcomes)]
        body.append(details(self, claim, outcomes))
        data = {"id": name, "class_": "ob-claim", "data_part": claim.part}
        data |= {f"data_{profile}": outcome.verdict for profile, outcome in outcomes.items()}
        return element("article", head, *body, **data)

    def facts(self, claim: Claim) -> nodes.Node:
        """What the paper reports, where it slips, and where the claim is shown or why it is not."""
        items = [element("dt", "paper"), element("dd", *self.inline(claim.paper))]
        if claim.note:
            items += [element("dt", "note"), element("dd", *self.inline(claim.note))]
        if claim.chapter:
            items += [element("dt", "shown in"), element("dd", self.to_chapter(claim.chapter))]
        if claim.reason:
            items += [element("dt", "not run"), element("dd", *self.inline(claim.reason))]
        return element("dl", *items)


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("verdicts", Verdicts)
    app.add_directive("ledger", Ledger)
