"""The rows of the ledger: every claim of the papers, with the rule that judges it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from onebasin import paths, rules
from onebasin.errors import CorruptFileError, InputError

REPRODUCED, SAME, NOT, NOT_RUN = "reproduced", "same direction", "not reproduced", "not run"
VERDICTS = (REPRODUCED, SAME, NOT, NOT_RUN)
PARTS = ("I", "II", "III", "IV", "V", "VI", "VII")
PAPERS = {
    "T": "ballerini2023",
    "GR": "ainsworth2023",
    "DA": "navon2024",
    "NA": "tatro2020",
    "WS": "flowweights",
}


@dataclass(frozen=True)
class Claim:
    """One row: what a paper says, where, and how it is judged.

    Args:
        id: Name of the row.
        part: Part of the book, ``"I"`` to ``"VII"``.
        chapter: Page that shows it, or None while it is not due.
        statement: The claim in our words.
        source: Place in each paper that makes it, by the papers' short names.
        paper: What the paper reports.
        note: Where the paper slips, or None.
        measures: What each measured quantity is; the first is shown in tables.
        unit: Unit of the first quantity.
        rule: Condition for ``reproduced`` and, where there is one, for ``same_direction``.
        tolerance: Why this rule.
        cap: The best verdict a profile may give.
        cap_why: Why it is capped.
        reason: Why it is not run; None for rows that are.
    """

    id: str
    part: str
    chapter: str | None
    statement: str
    source: Mapping[str, str]
    paper: str
    note: str | None
    measures: Mapping[str, str]
    unit: str
    rule: Mapping[str, str]
    tolerance: str
    cap: Mapping[str, str] = field(default_factory=dict)
    cap_why: str | None = None
    reason: str | None = None

    @property
    def primary(self) -> str:
        """Name of the quantity shown in tables."""
        return next(iter(self.measures))

    def judge(self, values: Mapping[str, float], profile: str) -> tuple[str, bool]:
        """Verdict by the rule, and whether the profile's cap lowered it.

        Args:
            values: Each quantity as ``name``, ``name_lo`` and ``name_hi``.
            profile: Where they were measured; verdicts never travel to another.
        """
        verdict = NOT
        if "same_direction" in self.rule and rules.evaluate(self.rule["same_direction"], values):
            verdict = SAME
        if rules.evaluate(self.rule["reproduced"], values):
            verdict = REPRODUCED
        best = self.cap.get(profile, REPRODUCED)
        if VERDICTS.index(verdict) < VERDICTS.index(best):
            return best, True
        return verdict, False


@cache
def load(path: Path = paths.PACKAGE / "claims.yml") -> dict[str, Claim]:
    """All rows by id, in the order of the papers.

    Raises:
        CorruptFileError: if a row does not fit the schema; the message names row and fault.
    """
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf8"))
    except yaml.YAMLError as error:
        raise CorruptFileError(path, f"it is not YAML ({error})") from error
    claims = [_claim(row, path) for row in rows]
    twice = [name for name, count in Counter(claim.id for claim in claims).items() if count > 1]
    if twice:
        raise CorruptFileError(path, f"rows must have an id of their own, not twice {twice}")
    return {claim.id: claim for claim in claims}


def get(name: str) -> Claim:
    """The row called ``name``.

    Raises:
        InputError: if there is none.
    """
    rows = load()
    if name not in rows:
        raise InputError("claim", name, "is no row of claims.yml; see `onebasin ledger`")
    return rows[name]


def _claim(row: Mapping[str, Any], path: Path) -> Claim:
    try:
        claim = Claim(**row)
        faults = _faults(claim)
    except (TypeError, AttributeError) as error:
        faults, claim = [str(error)], None
    if faults or claim is None:
        name = row.get("id", row) if isinstance(row, Mapping) else row
        raise CorruptFileError(path, f"row {name!r}: {'; '.join(faults)}")
    return claim


def _faults(claim: Claim) -> list[str]:
    """What is wrong with a row, in words."""
    texts = ("id", "part", "statement", "paper", "unit", "tolerance")
    maps = ("source", "measures", "rule", "cap")
    faults = [f"{name} must be text" for name in texts if not isinstance(getattr(claim, name), str)]
    faults += [f"{name} must map" for name in maps if not isinstance(getattr(claim, name), Mapping)]
    if faults:
        return faults
    own = claim.part == "VII"  # beyond the papers
    checks = {
        f"part must be one of {PARTS}": claim.part in PARTS,
        f"source must name papers of {sorted(PAPERS)}": own or set(claim.source) <= set(PAPERS),
        "a row of a paper must say where": own or bool(claim.source),
        "it must be run in a chapter or give a reason": bool(claim.chapter) != bool(claim.reason),
        "rule needs reproduced, and may have same_direction": _rule_keys(claim),
        "cap needs profiles, a lower verdict and cap_why": _cap_fits(claim),
        "measures must name a quantity": bool(claim.measures),
    }
    faults += [fault for fault, sound in checks.items() if not sound]
    return faults + _rule_faults(claim)


def _rule_keys(claim: Claim) -> bool:
    return {"reproduced"} <= set(claim.rule) <= {"reproduced", "same_direction"}


def _cap_fits(claim: Claim) -> bool:
    known = set(claim.cap) <= {"smoke", "laptop", "gpu"}
    lower = set(claim.cap.values()) <= {SAME, NOT}
    return known and lower and bool(claim.cap) == bool(claim.cap_why)


def _rule_faults(claim: Claim) -> list[str]:
    known = {name + end for name in claim.measures for end in ("", "_lo", "_hi")}
    faults = []
    for verdict, rule in claim.rule.items():
        try:
            extra = sorted(rules.names(rule) - known)
            constant = not rules.names(rule)
        except InputError as error:
            faults.append(f"{verdict}: {error}")
            continue
        if extra:
            faults.append(f"{verdict} names {extra}, which it does not measure")
        if constant:
            faults.append(f"{verdict} could not fail: it names nothing measured")
    return faults
