"""What a chapter uses: start a run, record what it measures, judge claims, show figures, finish.

The same chapter runs as a notebook and as a plain script; only a notebook shows figures.
"""

from __future__ import annotations

import base64
import datetime
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from onebasin import claims, ledger, paths, profiles, provenance, records, registry, sidecar
from onebasin.artifacts import Artifact
from onebasin.errors import InputError
from onebasin.intervals import Interval, bootstrap, jackknife
from onebasin.ledger import Measured, Outcome, measured
from onebasin.records import Metric, Record

__all__ = ["Interval", "Measured", "Run", "bootstrap", "jackknife", "measured", "metric", "start"]

_LOADED = time.time()  # chapters import before they start; a source edited later is not what ran
_EDITED = "edited while it ran"
_EXCLUDES = "imports, and the making of recipes (they carry their own times)"


def metric(
    values: Any, unit: str = "1", groups: Sequence[int | str] | np.ndarray | None = None
) -> Metric:
    """Per-seed values of one quantity.

    Args:
        values: One number, or one list, array or tensor of them.
        unit: Unit of the values.
        groups: Label of each value where some depend on each other, such as pairs of one shape.

    Raises:
        InputError: if there are no values, or they are not one list.
    """
    held = np.asarray(_host(values), dtype=np.float64)
    held = held[None] if held.ndim == 0 else held
    if held.ndim != 1 or not held.size:
        raise InputError("values", held.shape, "must be one number or one list of numbers")
    if groups is not None and len(groups) != held.size:
        raise InputError("groups", groups, f"must label each of the {held.size} values")
    labels = None
    if groups is not None:
        labels = tuple(one if isinstance(one, str) else int(one) for one in groups)
    return Metric(tuple(float(value) for value in held), unit, labels)


def start(chapter: str, *, profile: str, **params: Any) -> Run:
    """Begin a chapter's run.

    Args:
        chapter: As in the table of contents, e.g. ``"inrs/line"``.
        profile: ``"smoke"``, ``"laptop"`` or ``"gpu"``.
        params: Every other name of the chapter's parameters cell, with its value.

    Raises:
        InputError: if a parameter is missing, unknown, or the profile is.
    """
    if profile not in profiles.PROFILES:
        raise InputError("profile", profile, f"must be one of {profiles.PROFILES}")
    own = set(profiles.parameters(paths.chapter_source(chapter))) - {"profile"}
    if own != set(params):
        lacking, extra = sorted(own - set(params)), sorted(set(params) - own)
        remedy = f"must be those of the parameters cell; missing {lacking}, unknown {extra}"
        raise InputError("params", sorted(params), remedy)
    return Run(chapter, profile, {"profile": profile, **params}, provenance.commit())


@dataclass
class Run:
    """One run of one chapter; made by :func:`start`. Nothing is written before :meth:`finish`."""

    chapter: str
    profile: str
    params: Mapping[str, Any]
    commit: tuple[str | None, bool | None]
    began: float = field(default_factory=time.perf_counter)
    _data: dict[str, dict[str, Any]] = field(default_factory=dict)
    _recipes: list[dict[str, Any]] = field(default_factory=list)
    _made_seconds: float = 0.0
    _clocks: dict[str, float] = field(default_factory=dict)
    _pending: dict[tuple[str, str], Record] = field(default_factory=dict)

    def data(self, name: str, sha256: str, note: str | None = None) -> None:
        """Name a data file the chapter reads: its file name, checksum, and what must be said."""
        self._data[name] = {"name": name, "sha256": sha256, "note": note}

    def recipe(self, artifact: Artifact) -> Artifact:
        """Name an artifact the chapter uses; gives it back."""
        recipe = artifact.recipe
        self._made_seconds += artifact.made_seconds
        note: dict[str, Any] = {"name": recipe.name, "key": recipe.key, "seconds": artifact.seconds}
        note |= {"budget_seconds": recipe.budget_seconds, "shards": len(recipe.shards)}
        self._recipes.append(note | {"device": artifact.device})
        for name, mark in recipe.data.items():
            self._data.setdefault(name, {"name": name, "sha256": mark, "note": None})
        return artifact

    @contextmanager
    def clock(self, experiment: str) -> Iterator[None]:
        """Time the block as part of an experiment; its record carries the sum."""
        begin = time.perf_counter()
        yield
        spent = time.perf_counter() - begin
        self._clocks[experiment] = self._clocks.get(experiment, 0.0) + spent

    def record(
        self,
        experiment: str,
        *,
        method: str = "none",
        metrics: Mapping[str, Metric],
        seeds: Sequence[int] = (),
        arrays: Mapping[str, Any] | None = None,
        device: str | None = None,
    ) -> Record:
        """Keep what an experiment measured.

        Args:
            experiment: Name within the chapter.
            method: Registry name of the method.
            metrics: Per-seed values, made by :func:`metric`.
            seeds: The seeds behind the values.
            arrays: What figures need (arrays or tensors), 300 kB compressed at most.
            device: Where it ran; default the parameter ``device``, else the CPU.

        Raises:
            InputError: if this experiment and method have a record, or the arrays are too big.
        """
        held = {name: np.asarray(_host(value)) for name, value in (arrays or {}).items()}
        records.pack(held)
        fields: dict[str, Any] = {"kind": "measurement", "experiment": experiment, "method": method}
        fields |= {"metrics": dict(metrics), "seeds": tuple(int(seed) for seed in seeds)}
        fields["arrays"] = {name: records.array_mark(value) for name, value in held.items()}
        return self._keep(fields, device, held or None)

    def claim(
        self, name: str, *, not_run: str | None = None, **quantities: Measured | float
    ) -> Outcome:
        """Judge a claim by its rule and keep the outcome.

        Args:
            name: Row of the ledger.
            not_run: Why the rule is not applied at this profile: what the claim speaks about was
                not made ("30 of 250 epochs fit") or cannot be told from what was.
            quantities: Each quantity of the row, made by :func:`measured`; a bare number is exact,
                in the row's unit if it is the row's first quantity, else without one. With
                ``not_run`` those that were measured all the same.

        Raises:
            InputError: if the row is another chapter's, or the quantities are not the row's.
        """
        row = claims.get(name)
        exact: dict[str, Measured] = {
            key: measured(one, row.unit if key == row.primary else "1")
            for key, one in quantities.items()
            if not isinstance(one, Measured)
        }
        given = {key: one for key, one in quantities.items() if isinstance(one, Measured)}
        outcome = ledger.decide(name, self.profile, {**given, **exact}, not_run=not_run)
        if outcome.claim.chapter != self.chapter:
            remedy = f"belongs to chapter {outcome.claim.chapter!r}, not {self.chapter!r}"
            raise InputError("claim", name, remedy)
        record = self._keep({"seeds": (), **ledger.to_record_fields(outcome)}, None, None)
        return replace(outcome, record=record)

    def show(
        self,
        draw: Callable[[Any, list[Record]], None],
        experiment: str | Sequence[str],
        *,
        across: bool = False,
        share: bool = True,
        height: float = 4.0,
    ) -> None:
        """Draw an experiment's records of this run, and of the largest recorded profile.

        A plain script draws nothing. See :func:`onebasin.plotting.compare` for the options.

        Args:
            draw: Draws one profile's records on one panel.
            experiment: Name, or names, of experiments recorded above.
            across: Panels side by side instead of one above the other.
            share: Whether axes that correspond get one y-range.
            height: Of one panel, in inches.
        """
        names = [experiment] if isinstance(experiment, str) else list(experiment)
        groups = [self._live(names)]
        if _notebook() is None:
            return
        from onebasin import plotting

        recorded = self._recorded(names)
        groups += [recorded] if recorded else []
        figure = plotting.compare(draw, groups, across=across, share=share, height=height)
        kind, content = plotting.render(figure)
        text = content.decode() if "svg" in kind else base64.b64encode(content).decode()
        _display({kind: text, "text/plain": f"Figure: {', '.join(names)}"})

    def interact(self, draw: Callable[[list[Record]], Any], experiment: str) -> None:
        """Show a plotly figure of this run's records (give it a static twin by :meth:`show`)."""
        live = self._live([experiment])
        if _notebook() is None:
            return
        name = f"{self.chapter}-{experiment}".replace("/", "-")
        html = draw(live).to_html(full_html=False, include_plotlyjs=False, div_id=name)
        _display({"text/html": html, "text/plain": f"Interactive figure: {experiment}"})

    def finish(self) -> None:
        """Write all records of this run, then print the digest of what they measured.

        Raises:
            RunError: if the disk is full.
        """
        if not self._pending:
            raise InputError("run", self.chapter, "has recorded nothing; record something first")
        root, final = paths.live(), self._finished()
        mark, count = records.digest(final)
        sidecar.path(root, self.profile, self.chapter).unlink(missing_ok=True)
        written = {records.save(record, root) for record in final}
        for old in sorted((root / self.profile / self.chapter).glob("[!.]*.*")):
            if old.with_suffix(".json") not in written:
                old.unlink()
        sidecar.write(root, mark, list(provenance.loaded_sources()), final)
        sys.stdout.write(f"digest {self.chapter} {mark} · {len(final)} records · {count} values\n")

    def _keep(
        self, fields: Mapping[str, Any], device: str | None, held: Mapping[str, np.ndarray] | None
    ) -> Record:
        """A record as known now; what is known only at the end is filled in by :meth:`finish`."""
        key = (fields["experiment"], fields["method"])
        if key in self._pending:
            raise InputError("experiment", key, "is recorded already; choose another name")
        place = provenance.machine(device or self.params.get("device", "cpu"))
        unknown: dict[str, Any] = {"created": "", "commit": None, "dirty": None, "versions": {}}
        seconds = {"chapter": None, "experiment": self._clocks.get(key[0]), "excludes": _EXCLUDES}
        names: dict[str, Any] = {
            "chapter": self.chapter,
            "profile": self.profile,
            "params": dict(self.params),
        }
        record = Record(**names, **fields, **place, **unknown, seconds=seconds, held=held)
        self._pending[key] = record
        return record

    def _finished(self) -> list[Record]:
        """Every record with what is known only now: time, commit, versions, sources."""
        chapter = paths.chapter_source(self.chapter)
        sources = {**provenance.loaded_sources(), f"notebooks/{self.chapter}.py": chapter}
        marks = {name: _mark(file) for name, file in sorted(sources.items())}
        total = time.perf_counter() - self.began - self._made_seconds
        common: dict[str, Any] = {
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "commit": self.commit[0],
            "dirty": self.commit[1],
            "versions": provenance.versions(),
            "data": tuple(self._data.values()),
            "recipes": tuple(self._recipes),
            "sources": marks,
        }
        return [
            replace(one, seconds={**one.seconds, "chapter": round(total, 3)}, **common)
            for one in self._pending.values()
        ]

    def _live(self, names: Sequence[str]) -> list[Record]:
        live = [one for one in self._pending.values() if one.experiment in names]
        lacking = sorted(set(names) - {one.experiment for one in live})
        if lacking:
            raise InputError("experiment", lacking, "has no record in this run; record it first")
        return _ordered(live, names)

    def _recorded(self, names: Sequence[str]) -> list[Record]:
        """Records of the largest recorded profile that has them, unless it is this one."""
        for profile in reversed(profiles.PROFILES):
            known = records.find(chapter=self.chapter, profile=profile, root=paths.results())
            found = [one for one in known if one.experiment in names and one.kind != "claim"]
            if found:
                return [] if profile == self.profile else _ordered(found, names)
        return []


def _ordered(found: Sequence[Record], names: Sequence[str]) -> list[Record]:
    """By experiment as asked for, then by method as registered."""
    methods = registry.names()
    place = {method: rank for rank, method in enumerate(methods)}

    def rank(record: Record) -> tuple[int, int, str]:
        known = place.get(record.method, len(methods))
        return names.index(record.experiment), known, record.method

    return sorted(found, key=rank)


def _mark(source: Path) -> str:
    if source.stat().st_mtime > _LOADED:
        return _EDITED
    return provenance.fingerprint(source.read_text(encoding="utf8"))


def _host(values: Any) -> Any:
    """Tensors as arrays on the CPU; anything else as it is."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values


def _notebook() -> Any | None:
    """The running notebook's shell, or None in a plain script."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def _display(bundle: Mapping[str, str]) -> None:
    from IPython.display import display

    display(dict(bundle), raw=True)
