"""What moved: rows and numbers that differ between two states of the recorded results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from onebasin import paths, records
from onebasin.errors import CorruptFileError, InputError
from onebasin.intervals import Interval
from onebasin.provenance import git
from onebasin.records import Record

_ADDED, _REMOVED, _VERDICT, _VALUE = "added", "removed", "verdict", "value"


@dataclass(frozen=True)
class Change:
    """One row or number that moved.

    Args:
        kind: ``"added"``, ``"removed"``, ``"verdict"`` or ``"value"``.
        profile: Of the record.
        chapter: Of the record.
        experiment: Of the record; a claim's id for verdicts.
        method: Of the record; ``"claim"`` for verdicts.
        metric: The quantity, or None where the whole record is meant.
        before: Its mean and interval (or verdict) before, None if it was not there.
        after: The same after.
        unit: Unit of the quantity.
    """

    kind: str
    profile: str
    chapter: str
    experiment: str
    method: str
    metric: str | None = None
    before: Interval | str | None = None
    after: Interval | str | None = None
    unit: str = ""

    @property
    def difference(self) -> float | None:
        """After minus before, where both are numbers."""
        if isinstance(self.before, Interval) and isinstance(self.after, Interval):
            return self.after.value - self.before.value
        return None

    @property
    def outside(self) -> bool:
        """Whether the number left the interval it had, or the verdict changed."""
        if isinstance(self.before, Interval) and isinstance(self.after, Interval):
            return not self.before.lo <= self.after.value <= self.before.hi
        return self.before != self.after


def changes(before: Iterable[Record], after: Iterable[Record]) -> list[Change]:
    """Everything that differs between two sets of records, sorted by profile and chapter."""
    old, new = _by_name(before), _by_name(after)
    found: list[Change] = []
    for key in sorted(old.keys() | new.keys()):
        if key not in new:
            found.append(Change(_REMOVED, *key))
        elif key not in old:
            found.append(Change(_ADDED, *key))
        else:
            found.extend(_between(key, old[key], new[key]))
    return found


def at(revision: str) -> list[Record]:
    """The recorded results of a commit.

    Raises:
        InputError: if there is no such commit.
        CorruptFileError: if a record in it is damaged.
    """
    if git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") is None:
        raise InputError("revision", revision, "is no commit of this repository; see `git log`")
    listing = git("ls-tree", "-r", "--name-only", "-z", revision, "--", "results") or ""
    names = [name for name in listing.split("\0") if name.endswith(".json")]
    return [_parse(revision, name) for name in sorted(names)]


def between(revision: str, other: str | None = None) -> list[Change]:
    """What moved from one commit to another, or to what this machine has now.

    Args:
        revision: Any name of a commit.
        other: Another; None means this machine's runs and, where there are none, ``results/``.
    """
    return changes(at(revision), records.find() if other is None else at(other))


def identical(one: Path, two: Path) -> list[Change]:
    """Differences between two records folders; none if all metrics agree bit by bit."""
    return changes(records.find(root=one), records.find(root=two))


def _parse(revision: str, name: str) -> Record:
    path = paths.root() / name
    try:
        return records.parse(json.loads(git("show", f"{revision}:{name}") or ""), path)
    except ValueError as error:
        remedy = f"it was so in {revision}; compare with another commit"
        raise CorruptFileError(name, remedy) from error


def _by_name(found: Iterable[Record]) -> dict[tuple[str, str, str, str], Record]:
    return {(one.profile, one.chapter, one.experiment, one.method): one for one in found}


def _between(key: tuple[str, str, str, str], old: Record, new: Record) -> Iterator[Change]:
    verdicts = old.outcome.get("verdict"), new.outcome.get("verdict")
    if verdicts[0] != verdicts[1]:
        yield Change(_VERDICT, *key, None, *verdicts)
    for name in sorted(old.metrics.keys() | new.metrics.keys()):
        one, two = old.metrics.get(name), new.metrics.get(name)
        if one is not None and two is not None and str(one.values) == str(two.values):
            continue
        unit = next(metric.unit for metric in (two, one) if metric is not None)
        yield Change(_VALUE, *key, name, _shown(old, name), _shown(new, name), unit)
    if dict(old.arrays) != dict(new.arrays):
        yield Change(_VALUE, *key, "arrays", _mark(old), _mark(new))


def _shown(record: Record, metric: str) -> Interval | str | None:
    """Mean and interval of a metric, a claim's own interval, or words where it is not finite."""
    if metric not in record.metrics:
        return None
    held = record.outcome.get("measured", {}).get(metric)
    try:
        if held is not None:
            value, lo, hi = (float(held[name]) for name in ("value", "lo", "hi"))
            return Interval(value, lo, hi, held["n"])
        return record.interval(metric)
    except InputError:
        return f"not finite: {record.metrics[metric].values}"


def _mark(record: Record) -> str:
    return ", ".join(f"{name} {mark}" for name, mark in sorted(record.arrays.items())) or "none"
