"""How a claim, its verdicts and its measured values are written, wherever they are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from bookext import evidence, numbers, reader, site
from bookext.html import element, link
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
NAMES = {
    "T": "Ballerini",
    "GR": "Git Re-Basin",
    "DA": "Deep-Align",
    "NA": "Neuron Alignment",
    "WS": "unfinished thesis",
}


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


def primary_cells(outcome: Outcome) -> list[Cell]:
    """The quantity shown in tables, and its n; one without a verdict may lack it."""
    one = outcome.measured.get(outcome.claim.primary)
    return [missing(), ""] if one is None else [quantity(one), str(one.n)]


def verdict_cell(outcome: Outcome) -> list[Cell]:
    """The badge, with what lowers, ages or replaces it."""
    parts: list[Cell] = [badge(outcome.verdict)]
    if outcome.reason:
        parts += [" ", element("span", outcome.reason, class_="ob-muted")]
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
    return [
        element("code", outcome.record.id),
        " ",
        element("span", f"at {commit}", class_="ob-muted"),
    ]


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
            parts.append(
                element("p", badge(claims.NOT_RUN), f" {lacking}", class_="ob-muted ob-lacking")
            )
        return parts

    def result(self, profile: str, outcome: Outcome) -> list[Cell]:
        """What one profile measured."""
        judged = [verdict_cell(outcome), record_words(outcome)]
        return [profile, *primary_cells(outcome), *judged]

    def to_chapter(self, chapter: str) -> nodes.Node:
        """A link to a chapter's page, or its name while it has none."""
        docname = f"{reader.PREFIX}{chapter}"
        if docname not in self.env.found_docs:
            return element("code", chapter)
        return link("doc", f"/{docname}", nodes.inline("", chapter), self.env.docname)

    def to_claim(self, claim: Claim) -> nodes.Node:
        """A link to a claim's card in the ledger."""
        shown = nodes.literal(claim.id, claim.id, classes=["ob-id"])
        return link("ref", label(claim.id), shown, self.env.docname)


def details(self: ClaimDirective, claim: Claim, outcomes: Mapping[str, Outcome]) -> nodes.Node:
    """Rule, reasons and every measured quantity, folded away."""
    items: list[nodes.Node] = []

    def add(term: str, *content: nodes.Node | str) -> None:
        items.extend((element("dt", term), element("dd", *content)))

    for verdict, rule in claim.rule.items():
        add(verdict.replace("_", " "), element("code", rule))
    add("why this rule", *self.inline(claim.tolerance))
    if claim.cap:
        best = ", ".join(
            f"at most {verdict} at {profile}" for profile, verdict in claim.cap.items()
        )
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
            element("span", f"{count} ", badge(verdict), class_="ob-count")
            for verdict, count in held.items()
            if count
        ]
        lines.append(
            element("div", element("span", profile, class_="ob-profile"), *parts, class_="ob-tally")
        )
    return element("div", *lines, class_="ob-tallies")
