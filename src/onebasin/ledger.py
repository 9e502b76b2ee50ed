"""The ledger: the verdict on every claim at every profile, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onebasin import claims, provenance, records
from onebasin.claims import NOT_RUN, Claim
from onebasin.errors import InputError
from onebasin.profiles import PROFILES
from onebasin.records import Interval, Metric, Record

METHOD = "claim"  # in the place of the method in the records of outcomes


@dataclass(frozen=True)
class Measured:
    """One measured quantity of a claim.

    Args:
        value: The number the rule reads.
        unit: Its unit.
        lo: Lower end of its 95 % interval; the value itself where nothing is random.
        hi: Upper end.
        n: Independent units behind it.
    """

    value: float
    unit: str
    lo: float
    hi: float
    n: int


@dataclass(frozen=True)
class Outcome:
    """What the rule of a claim said at one profile.

    Args:
        claim: The row.
        profile: Where it was measured.
        verdict: One of the four.
        capped: Whether the rule said more than this profile may claim.
        measured: Every quantity of the row; of one without a verdict those that were measured.
        record: Where it is recorded, or None before it is.
        stale: Commit since which its sources differ, or None.
        reason: Why there is no verdict at this profile; None where the rule was applied.
    """

    claim: Claim
    profile: str
    verdict: str
    capped: bool
    measured: Mapping[str, Measured]
    record: Record | None = None
    stale: str | None = None
    reason: str | None = None


def measured(
    value: float | Interval,
    unit: str = "1",
    *,
    lo: float | None = None,
    hi: float | None = None,
    n: int = 1,
) -> Measured:
    """A measured quantity.

    Args:
        value: The number, or an interval that brings ends and n with it.
        unit: Its unit, ``"1"`` for none.
        lo: Lower end; default the value.
        hi: Upper end; default the value.
        n: Independent units behind it.

    Raises:
        InputError: if the value lies outside its interval.
    """
    if isinstance(value, Interval):
        interval = value
        value, lo, hi, n = interval.value, interval.lo, interval.hi, interval.n
    number = float(value)
    ends = (number if lo is None else float(lo), number if hi is None else float(hi))
    if number == number and not ends[0] <= number <= ends[1]:
        raise InputError("value", number, f"lies outside its interval {ends}")
    return Measured(number, unit, *ends, int(n))


def decide(
    name: str, profile: str, quantities: Mapping[str, Measured], *, not_run: str | None = None
) -> Outcome:
    """Apply the rule of a claim, or say why it cannot be applied at this profile.

    Args:
        name: The claim's id.
        profile: Where the quantities were measured.
        quantities: Exactly what the row says is measured; with ``not_run`` some of it or nothing.
        not_run: Why there is no verdict, such as training that does not fit.

    Raises:
        InputError: if the claim is unknown, a quantity is missing or not the row's, or the reason
            says nothing.
    """
    claim = claims.get(name)
    if not_run is not None:
        return _without_verdict(claim, profile, quantities, not_run)
    if set(quantities) != set(claim.measures):
        remedy = f"row {name!r} measures exactly {list(claim.measures)}"
        raise InputError("quantities", sorted(quantities), remedy)
    values: dict[str, float] = {}
    for key, one in quantities.items():
        values |= {key: one.value, f"{key}_lo": one.lo, f"{key}_hi": one.hi}
    verdict, capped = claim.judge(values, profile)
    ordered = {key: quantities[key] for key in claim.measures}
    return Outcome(claim, profile, verdict, capped, ordered)


def _without_verdict(
    claim: Claim, profile: str, quantities: Mapping[str, Measured], reason: str
) -> Outcome:
    extra = sorted(set(quantities) - set(claim.measures))
    if extra or not reason.strip():
        remedy = f"row {claim.id!r} measures {list(claim.measures)}; a reason is a sentence"
        raise InputError("quantities, not_run", (extra, reason), remedy)
    held = {key: quantities[key] for key in claim.measures if key in quantities}
    return Outcome(claim, profile, NOT_RUN, False, held, reason=reason.strip())


def to_record_fields(outcome: Outcome) -> dict[str, Any]:
    """The part of a claim's record that holds its outcome."""
    quantities = {
        name: {key: records.number(one) if isinstance(one, float) else one for key, one in held}
        for name, held in ((name, asdict(one).items()) for name, one in outcome.measured.items())
    }
    return {
        "kind": "claim",
        "experiment": outcome.claim.id,
        "method": METHOD,
        "metrics": {name: Metric((one.value,), one.unit) for name, one in outcome.measured.items()},
        "outcome": {
            "verdict": outcome.verdict,
            "capped": outcome.capped,
            "rule": dict(outcome.claim.rule),
            "measured": quantities,
            **({} if outcome.reason is None else {"reason": outcome.reason}),
        },
    }


def from_record(record: Record) -> Outcome:
    """The outcome that a claim's record holds.

    Raises:
        InputError: if the record is not a claim's, or its claim is no longer a row.
    """
    if record.kind != "claim":
        raise InputError("record", record.experiment, "holds no claim's outcome")
    claim, held = claims.get(record.experiment), record.outcome
    order = [*(name for name in claim.measures if name in held["measured"])]
    order += [name for name in held["measured"] if name not in order]
    quantities = {name: _read(held["measured"][name]) for name in order}
    return Outcome(
        claim,
        record.profile,
        held["verdict"],
        held["capped"],
        quantities,
        record=record,
        stale=stale_since(record),
        reason=held.get("reason"),
    )


def stale_since(record: Record) -> str | None:
    """Commit since which a record's code, or its claim's rule, is another; None if it is not."""
    since = provenance.stale_since(dict(record.sources), record.commit)
    if since is None and record.kind == "claim":
        row = claims.load().get(record.experiment)
        if row is None or dict(row.rule) != record.outcome["rule"]:
            return "its rule was changed"
    return since


def outcomes(root: Path | Sequence[Path] | None = None) -> dict[str, dict[str, Outcome]]:
    """Every outcome there is, by claim and profile, in the order of the rows."""
    found: dict[str, dict[str, Outcome]] = {name: {} for name in claims.load()}
    for record in records.find(method=METHOD, root=root):
        if record.experiment in found:
            found[record.experiment][record.profile] = from_record(record)
    return found


def entries(root: Path | Sequence[Path] | None = None) -> list[dict[str, Any]]:
    """The ledger as JSON values, one entry a row.

    Returns:
        ``{id, part, statement, paper, verdict: {profile: …}, reason, measured: {profile: {value,
        lo, hi, n, unit}}, record: {profile: id}, stale: {profile: commit}}``; every profile has a
        verdict, the other mappings only those that were run.
    """
    return [_entry(claims.get(name), held) for name, held in outcomes(root).items()]


def _entry(claim: Claim, held: Mapping[str, Outcome]) -> dict[str, Any]:
    missing = [profile for profile in PROFILES if profile not in held]
    reasons = [f"{one.reason} ({profile})" for profile, one in held.items() if one.reason]
    reasons += [f"no record yet at {', '.join(missing)}"] if missing else []
    shown = {}
    for profile, one in held.items():
        if claim.primary in one.measured:
            shown[profile] = {
                key: records.number(value) if isinstance(value, float) else value
                for key, value in asdict(one.measured[claim.primary]).items()
            }
    return {
        "id": claim.id,
        "part": claim.part,
        "statement": claim.statement,
        "paper": claim.paper,
        "verdict": {
            profile: held[profile].verdict if profile in held else NOT_RUN for profile in PROFILES
        },
        "reason": claim.reason or "; ".join(reasons) or None,
        "measured": shown,
        "record": {name: one.record.id for name, one in held.items() if one.record},
        "stale": {name: one.stale for name, one in held.items() if one.stale},
    }


def _read(held: Mapping[str, Any]) -> Measured:
    value, lo, hi = (float(held[name]) for name in ("value", "lo", "hi"))
    return Measured(value, held["unit"], lo, hi, held["n"])
