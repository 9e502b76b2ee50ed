"""Records: what one experiment measured, with everything needed to trace and repeat it."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from onebasin import files, paths
from onebasin.errors import CorruptFileError, InputError
from onebasin.intervals import Interval, bootstrap

__all__ = ["Interval", "Metric", "Record", "bootstrap", "digest", "find", "load", "save"]

SCHEMA = 1
TIME = "seconds"  # unit of the metrics that no two runs share
ARRAY_LIMIT = 300_000  # bytes of the .npz beside a record
_REMEDY = "restore it with git, or delete it and run its chapter again"


@dataclass(frozen=True)
class Metric:
    """One measured quantity.

    Args:
        values: One number per seed (or pair, shape, network), never a summary.
        unit: Unit of the values, ``"1"`` if they have none.
        groups: Label of each value where values depend on each other, for intervals.
    """

    values: tuple[float, ...]
    unit: str
    groups: tuple[int | str, ...] | None = None

    def interval(self) -> Interval:
        """Mean with its 95 % bootstrap interval, over groups where there are any."""
        return bootstrap(self.values, self.groups)


@dataclass(frozen=True)
class Record:
    """One experiment of one chapter by one method at one profile, all seeds inside.

    ``device`` is the accelerator's name or ``"cpu"``; ``seconds`` holds ``chapter`` (its whole
    run), ``experiment`` (or None) and ``excludes`` (words); ``data`` holds name, sha256 and note of
    each file; ``recipes`` the artifacts used; ``sources`` the fingerprint of each source file that
    was loaded; ``arrays`` the SHA-256 of each array in the file beside it; ``outcome`` is a claim's
    verdict (empty otherwise); ``replaces`` the id of the record it corrects. ``path`` is where it
    was read from, ``held`` the arrays of one that is not written yet.
    """

    kind: str
    chapter: str
    experiment: str
    method: str
    profile: str
    params: Mapping[str, Any]
    seeds: tuple[int, ...]
    metrics: Mapping[str, Metric]
    created: str
    commit: str | None
    dirty: bool | None
    versions: Mapping[str, str]
    device: str
    threads: int
    precision: str
    peak_memory_mb: Mapping[str, float]
    seconds: Mapping[str, Any]
    data: tuple[Mapping[str, Any], ...] = ()
    recipes: tuple[Mapping[str, Any], ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    arrays: Mapping[str, str] = field(default_factory=dict)
    outcome: Mapping[str, Any] = field(default_factory=dict)
    replaces: str | None = None
    schema: int = SCHEMA
    path: Path | None = field(default=None, compare=False)
    held: Mapping[str, np.ndarray] | None = field(default=None, compare=False, repr=False)

    @property
    def id(self) -> str:
        """Twelve hex digits that name this content (``replaces`` aside)."""
        content = _content(self)
        content.pop("replaces")
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    def values(self, metric: str) -> np.ndarray:
        """Per-seed values of a metric, float64.

        Raises:
            InputError: if the record has no such metric.
        """
        if metric not in self.metrics:
            raise InputError("metric", metric, f"is not in the record; it has {list(self.metrics)}")
        return np.array(self.metrics[metric].values, dtype=np.float64)

    def interval(self, metric: str) -> Interval:
        """Mean of a metric with its 95 % interval."""
        self.values(metric)
        return self.metrics[metric].interval()

    def load_arrays(self) -> dict[str, np.ndarray]:
        """Read the arrays beside the record, checked against their SHA-256; empty if none.

        Raises:
            CorruptFileError: if the file is missing or is not what was written.
        """
        if not self.arrays or self.held is not None:
            return dict(self.held or {})
        file = (self.path or Path("unsaved")).with_suffix(".npz")
        try:
            with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as held:
                arrays = {name: held[name] for name in held.files}
        except Exception as error:  # a damaged zip raises one of many kinds
            raise CorruptFileError(file, _REMEDY) from error
        if {name: array_mark(value) for name, value in arrays.items()} != dict(self.arrays):
            raise CorruptFileError(file, _REMEDY)
        return arrays


def record_path(root: Path, record: Record) -> Path:
    """Where a record lies below ``root``."""
    name = f"{record.experiment}.{record.method}.json"
    return root / record.profile / record.chapter / name


def save(record: Record, root: Path) -> Path:
    """Write a record, and its arrays beside it, whole or not at all.

    Args:
        record: What to write; its arrays may take 300 kB at most once compressed.
        root: Records folder.

    Returns:
        Path of the JSON file.

    Raises:
        InputError: if the arrays are too big.
    """
    path = record_path(root, record)
    beside = path.with_suffix(".npz")
    arrays = record.load_arrays()
    if arrays:
        files.write(beside, pack(arrays))
    files.write_json(path, {"id": record.id, **_content(record)})
    if not arrays:
        beside.unlink(missing_ok=True)
    return path


def load(path: Path | str) -> Record:
    """Read one record.

    Raises:
        CorruptFileError: if it is not one, was cut short or edited: its id must fit its content.
    """
    path = Path(path)
    return parse(files.read_json(path, _REMEDY), path)


def parse(content: Any, path: Path) -> Record:
    """The record that JSON content holds.

    Args:
        content: What a record's file holds.
        path: Where it comes from.

    Raises:
        CorruptFileError: if it is no record, or its id does not fit its content.
    """
    try:
        known = {one.name for one in fields(Record)} - {"path", "held"}
        held = {name: content[name] for name in known}
        metrics = {name: _metric(one) for name, one in held.pop("metrics").items()}
        lists: dict[str, Any] = {
            name: tuple(held.pop(name)) for name in ("seeds", "data", "recipes")
        }
        record = Record(metrics=metrics, **lists, **held, path=path)
        sound = content["id"] == record.id and record.schema == SCHEMA
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptFileError(path, _REMEDY) from error
    if not sound:
        raise CorruptFileError(path, f"its id does not fit its content; {_REMEDY}")
    return record


def find(
    *,
    chapter: str | None = None,
    experiment: str | None = None,
    method: str | None = None,
    profile: str | None = None,
    root: Path | Sequence[Path] | None = None,
) -> list[Record]:
    """Records that match, sorted by profile, chapter, experiment, method.

    Args:
        chapter: As in the table of contents, e.g. ``"inrs/line"``; None matches all.
        experiment: Name within the chapter, or a claim's id.
        method: Registry name, or ``"claim"``.
        profile: ``"smoke"``, ``"laptop"`` or ``"gpu"``.
        root: Folder or folders; default this machine's runs, then the recorded results. Of
            records that agree in all four names the first folder's is taken.
    """
    roots = [paths.live(), paths.results()] if root is None else root
    roots = [roots] if isinstance(roots, Path) else roots
    wanted = (profile, chapter, experiment, method)
    found: dict[tuple[str, ...], Path] = {}
    for folder in roots:
        for path in _walk(folder):
            key = _names(folder, path)
            if all(want in (None, have) for want, have in zip(wanted, key, strict=True)):
                found.setdefault(key, path)
    return [load(path) for _, path in sorted(found.items())]


def array_mark(value: np.ndarray) -> str:
    """SHA-256 of an array's type, shape and bytes, 16 hex digits."""
    head = f"{value.dtype.str}{value.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(value).tobytes()).hexdigest()[:16]


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The compressed file of some arrays; equal arrays give equal bytes.

    Raises:
        InputError: if it is over 300 kB or an array holds objects.
    """
    if any(value.dtype.hasobject for value in arrays.values()):
        raise InputError("arrays", sorted(arrays), "must hold numbers, not objects")
    buffer = io.BytesIO()
    ordered: dict[str, Any] = {name: arrays[name] for name in sorted(arrays)}
    np.savez_compressed(buffer, **ordered)
    size = buffer.tell()
    if size > ARRAY_LIMIT:
        remedy = f"take {size / 1000:.0f} kB, at most {ARRAY_LIMIT // 1000} may; thin them"
        raise InputError("arrays", sorted(arrays), remedy)
    return buffer.getvalue()


def digest(records: Sequence[Record]) -> tuple[str, int]:
    """Twelve hex digits of all that was measured, and how many values that is.

    Covers names, parameters, seeds, values (as float64, bit by bit), arrays and verdicts; not
    times (metrics in :data:`TIME`, too), machines or commits. Two runs that agree here measured the
    same.
    """
    marks, count = [], 0
    for record in sorted(records, key=lambda one: (one.experiment, one.method)):
        content = _content(record)
        content["metrics"] = {
            name: held for name, held in content["metrics"].items() if held["unit"] != TIME
        }
        names = ("kind", "experiment", "method", "profile", "params", "seeds", "metrics", "arrays")
        marks.append([content[name] for name in names])
        marks.append(content["outcome"].get("verdict"))
        count += sum(len(held["values"]) for held in content["metrics"].values())
    text = json.dumps(marks, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12], count


def _walk(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.glob("*/*/*/*.json")) if not path.name.startswith("."))


def _names(folder: Path, path: Path) -> tuple[str, str, str, str]:
    profile, *chapter, _ = path.relative_to(folder).parts
    experiment, _, method = path.stem.rpartition(".")
    return profile, "/".join(chapter), experiment, method


def _content(record: Record) -> dict[str, Any]:
    content = asdict(replace(record, path=None, held=None))
    content = {name: one for name, one in content.items() if name not in ("path", "held")}
    for metric in content["metrics"].values():
        metric["values"] = [number(value) for value in metric["values"]]
        if metric["groups"] is None:
            metric.pop("groups")
    return json.loads(json.dumps(content))  # tuples become lists, as they will be when read


def number(value: float) -> float | str:
    """A float as JSON can hold it: infinities and NaN become text."""
    return float(value) if math.isfinite(value) else str(float(value))


def _metric(held: Mapping[str, Any]) -> Metric:
    groups = held.get("groups")
    values = tuple(float(value) for value in held["values"])
    return Metric(values, held["unit"], None if groups is None else tuple(groups))
