"""The ledger page, and the verdicts that a chapter shows: one card for each claim."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bookext import evidence, numbers, reader, site
from bookext.html import element
from bookext.measured import badge
from bookext.tables import Cell, missing, table
from onebasin import claims
from onebasin.claims import Claim
from onebasin.ledger import Measured, Outcome

TITLES = {
    "I": "Foundations",
    "II": "Aligning INRs of 3D shapes",
    "III": "Git Re-Basin",
    "IV": "Deep-Align",
    "V": "Curves between aligned networks",
    "VI": "Flows over weights",
    "VII": "Beyond the papers",
}
NAMES = {"T": "Ballerini", "GR": "Git Re-Basin", "DA": "Deep-Align", "NA": "Neuron Alignment", "WS": "unfinished thesis"}


def label(claim: str) -> str:
    """Name under which other pages refer to a claim's card."""
    return f"claim-{claim}"


def source_words(claim: Claim) -> str:
    """The places that make the claim, as a line of text."""
    return " · ".join(f"{NAMES.get(paper, paper)} {place}" for paper, place in claim.source.items())


def unit_words(unit: str) -> str:
    """A unit as it stands behind a number; nothing for pure numbers."""
    return "" if unit in ("1", "") else f" {unit}"


def quantity(one: Measured) -> list[Cell]:
    """A measured value with its interval and unit."""
    value, around = numbers.interval(one.value, one.lo, one.hi)
    parts: list[Cell] = [element("span", value, class_="ob-value")]
    if around:
        parts += [" ", element("span", around, class_="ob-interval")]
    unit = unit_words(one.unit)
    return parts + ([element("span", unit, class_="ob-muted")] if unit else [])


def verdict_cell(outcome: Outcome) -> list[Cell]:
    """The badge, with what lowers or ages it."""
    parts: list[Cell] = [badge(outcome.verdict)]
    if outcome.capped:
        why = outcome.claim.cap_why or "The profile is too small to say more."
        parts += [" ", element("span", "capped", class_="ob-muted", title=why)]
    if outcome.stale:
        parts += [" ", element("span", f"stale since {outcome.stale}", class_="ob-stale")]
    return parts


def record_words(outcome: Outcome) -> Cell:
    """The record's id and commit."""
    if outcome.record is None:
        return missing()
    commit = (outcome.record.commit or "unknown")[:8] + ("+" if outcome.record.dirty else "")
    return [element("code", outcome.record.id), " ", element("span", f"at {commit}", class_="ob-muted")]


class ClaimDirective(SphinxDirective):
    """What the directives that show claims share."""

    def inline(self, text: str) -> list[nodes.Node]:
        """Text of ``claims.yml`` as nodes: formulas are set, everything else is plain."""
        parts: list[nodes.Node] = []
        for i, piece in enumerate(re.split(r"\$([^$]+)\$", text)):
            parts.append(nodes.math(piece, piece) if i % 2 else nodes.Text(piece))
        return parts

    def results(self, claim: Claim, outcomes: Mapping[str, Outcome]) -> list[nodes.Node]:
        """A table with a row for each profile that was run, and the profiles that were not."""
        heads = ("profile", "ours", "n", "verdict", "record")
        rows = [self.result(profile, outcome) for profile, outcome in ordered(outcomes)]
        lacking = ", ".join(profile for profile in site.PROFILES if profile not in outcomes)
        parts = [table(heads, rows, f"Results of {claim.id}")] if rows else []
        if lacking and not claim.reason:
            parts.append(element("p", badge(claims.NOT_RUN), f" {lacking}", class_="ob-muted ob-lacking"))
        return parts

    def result(self, profile: str, outcome: Outcome) -> list[Cell]:
        """What one profile measured."""
        one = next(iter(outcome.measured.values()))
        return [profile, quantity(one), str(one.n), verdict_cell(outcome), record_words(outcome)]

    def to_chapter(self, chapter: str) -> nodes.Node:
        """A link to a chapter's page, or its name while it has none."""
        docname = f"{reader.PREFIX}{chapter}"
        if docname not in self.env.found_docs:
            return element("code", chapter)
        return addnodes.pending_xref(
            "", nodes.inline("", chapter), refdomain="std", reftype="doc", reftarget=f"/{docname}",
            refexplicit=False, refwarn=True, refdoc=self.env.docname,
        )

    def to_claim(self, claim: Claim) -> nodes.Node:
        """A link to a claim's card in the ledger."""
        return addnodes.pending_xref(
            "", nodes.literal(claim.id, claim.id, classes=["ob-id"]), refdomain="std", reftype="ref",
            reftarget=label(claim.id), refexplicit=True, refwarn=True, refdoc=self.env.docname,
        )


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
        listed = element(
            "dl",
            element("dt", "paper"), element("dd", *self.inline(claim.paper)),
            element("dt", "measured"), element("dd", *self.inline(claim.measures[claim.primary])),
        )
        shown = self.results(claim, outcomes)
        return element("div", head, listed, *shown, details(self, claim, outcomes), class_="ob-claim")


def details(self: ClaimDirective, claim: Claim, outcomes: Mapping[str, Outcome]) -> nodes.Node:
    """Rule, reasons and every measured quantity, folded away."""
    items: list[nodes.Node] = []

    def add(term: str, *content: nodes.Node | str) -> None:
        items.extend((element("dt", term), element("dd", *content)))

    for verdict, rule in claim.rule.items():
        add(verdict.replace("_", " "), element("code", rule))
    add("why this rule", *self.inline(claim.tolerance))
    if claim.cap:
        best = ", ".join(f"at most {verdict} at {profile}" for profile, verdict in claim.cap.items())
        add("limit", f"{best}. ", *self.inline(claim.cap_why or ""))
    for name, words in claim.measures.items():
        held = [(p, o.measured[name]) for p, o in outcomes.items() if name in o.measured]
        values = [
            element("span", *([" · "] if i else []), f"{p} ", *quantity(one))
            for i, (p, one) in enumerate(held)
        ]
        add(name, *self.inline(words), *([": ", *values] if values else []))
    listed = element("dl", *items)
    return element("details", element("summary", "How it is judged"), listed)


class Ledger(ClaimDirective):
    """``{ledger}``: every claim as a card, grouped by part, with a filter."""

    def run(self) -> list[nodes.Node]:
        """Make the filter and the cards."""
        evidence.mark(self.env)
        self.env.note_reread()
        rows = list(claims.load().values())
        parts = [part for part in claims.PARTS if any(claim.part == part for claim in rows)]
        script = nodes.raw("", '<script src="../_static/ledger.js" defer></script>', format="html")
        shown = [self.part(part, [claim for claim in rows if claim.part == part]) for part in parts]
        return [tally(rows), self.filter(parts), *shown, script]

    def filter(self, parts: Sequence[str]) -> nodes.Node:
        """The form above the cards."""
        def choose(name: str, text: str, options: Sequence[tuple[str, str]]) -> nodes.Node:
            every = element("option", "all", value="")
            listed = [element("option", shown, value=value) for value, shown in options]
            return element("label", text, element("select", every, *listed, name=name))

        search = element("label", "words", element("input", type="search", name="text", autocomplete="off"))
        part = choose("part", "part", [(p, f"{p}. {TITLES[p]}") for p in parts])
        verdict = choose("verdict", "verdict", [(v, v) for v in claims.VERDICTS])
        profile = choose("profile", "profile", [(p, p) for p in site.PROFILES])
        return element("form", search, part, verdict, profile, element("output"), class_="ob-filter", role="search")

    def part(self, part: str, rows: Sequence[Claim]) -> nodes.Node:
        """One part as a section of the page."""
        title = f"Part {part}. {TITLES[part]}"
        section = nodes.section("", nodes.title(title, title), ids=[f"part-{part.lower()}"], classes=["ob-part"])
        section["names"] = [nodes.fully_normalize_name(title)]
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
        head = element(
            "div", element("code", claim.id, class_="ob-id"), element("span", source_words(claim), class_="ob-where"),
            *(badges or [badge(claims.NOT_RUN)]), class_="ob-claim-head",
        )
        body = [element("p", *self.inline(claim.statement), class_="ob-statement"), self.facts(claim)]
        body += self.results(claim, outcomes)
        verdicts = {f"data_{profile}": outcome.verdict for profile, outcome in outcomes.items()}
        return element(
            "article", head, *body, details(self, claim, outcomes), id=name, class_="ob-claim", data_part=claim.part, **verdicts
        )

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


def ordered(outcomes: Mapping[str, Outcome]) -> list[tuple[str, Outcome]]:
    """Outcomes from the small profile to the large one."""
    return [(profile, outcomes[profile]) for profile in site.PROFILES if profile in outcomes]


def counts(rows: Sequence[Claim], profile: str) -> dict[str, int]:
    """How many claims have each verdict at a profile."""
    found = [evidence.outcomes(claim.id).get(profile) for claim in rows]
    words = [outcome.verdict if outcome else claims.NOT_RUN for outcome in found]
    return {verdict: words.count(verdict) for verdict in claims.VERDICTS}


def tally(rows: Sequence[Claim], profiles: Sequence[str] = site.PROFILES) -> nodes.Node:
    """A line for each profile: how many claims got which verdict."""
    lines = []
    for profile in profiles:
        held = counts(rows, profile)
        parts: list[Any] = [
            element("span", f"{count} ", badge(verdict)) for verdict, count in held.items() if count
        ]
        lines.append(element("div", element("span", profile, class_="ob-profile"), *parts, class_="ob-tally"))
    return element("div", *lines, class_="ob-tallies")


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("verdicts", Verdicts)
    app.add_directive("ledger", Ledger)
