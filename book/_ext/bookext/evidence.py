"""Records and verdicts for the pages; what cannot be read is reported and counts as not run."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from bookext import site
from onebasin import claims, ledger, records
from onebasin.errors import CorruptFileError, InputError
from onebasin.ledger import Outcome
from onebasin.records import Record

LOG = logging.getLogger(__name__)
Key = tuple[str, str, str, str]


@lru_cache(maxsize=1)
def _all(roots: tuple[Path, ...]) -> dict[Key, Record]:
    """Every readable record by (profile, chapter, experiment, method); earlier roots come first."""
    found: dict[Key, Record] = {}
    for folder in roots:
        for path in sorted(folder.glob("*/*/*/[!.]*.json")):
            try:
                one = records.load(path)
            except CorruptFileError as error:
                LOG.warning("%s", error, type="onebasin", subtype="record")
                continue
            found.setdefault((one.profile, one.chapter, one.experiment, one.method), one)
    return found


def all_records() -> list[Record]:
    """Every record of this machine's runs and of the recorded results, sorted by its four names."""
    return [one for _, one in sorted(_all(site.current().record_roots).items())]


def record(chapter: str, experiment: str, method: str, profile: str) -> Record | None:
    """One record, or None if it was not run."""
    return _all(site.current().record_roots).get((profile, chapter, experiment, method))


def of_chapter(chapter: str, profile: str) -> list[Record]:
    """All records of a chapter at a profile."""
    return [one for one in all_records() if (one.chapter, one.profile) == (chapter, profile)]


@lru_cache(maxsize=1)
def _outcomes(roots: tuple[Path, ...]) -> dict[str, dict[str, Outcome]]:
    found: dict[str, dict[str, Outcome]] = {name: {} for name in claims.load()}
    for one in _all(roots).values():
        if one.method != ledger.METHOD:
            continue
        try:
            found[one.experiment][one.profile] = ledger.from_record(one)
        except (KeyError, InputError) as error:
            LOG.warning("record %s: %s", one.path, error, type="onebasin", subtype="record")
    return found


def outcomes(claim: str) -> dict[str, Outcome]:
    """The outcome of a claim at each profile at which it was run."""
    return _outcomes(site.current().record_roots).get(claim, {})


def is_recorded(one: Record) -> bool:
    """Whether a record is one of the committed results, not of the run just made."""
    return one.path is not None and site.current().record_roots[1] in one.path.parents


def forget() -> None:
    """Read the records again on next use."""
    _all.cache_clear()
    _outcomes.cache_clear()


def fingerprint() -> str:
    """A hash of everything that tables are made from."""
    parts = [one.id for one in all_records()]
    parts.append(repr(list(claims.load().values())))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def mark(env: BuildEnvironment) -> None:
    """Note that the page being read shows evidence, so that it is read again when that changes."""
    if not hasattr(env, "onebasin_evidence"):
        env.onebasin_evidence = {}
    env.onebasin_evidence[env.docname] = fingerprint()


def outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Pages whose tables no longer fit the records."""
    forget()
    now = fingerprint()
    shown = getattr(env, "onebasin_evidence", {})
    return [name for name, seen in shown.items() if seen != now and name in env.found_docs]


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget what a page showed, before it is read again."""
    getattr(env, "onebasin_evidence", {}).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment) -> None:
    """Join what parallel readers noted."""
    seen = getattr(other, "onebasin_evidence", {})
    kept = {name: mark for name, mark in seen.items() if name in docnames}
    env.onebasin_evidence = {**getattr(env, "onebasin_evidence", {}), **kept}


def setup(app: Sphinx) -> None:
    """Connect the re-reading of pages with evidence."""
    app.connect("env-get-outdated", outdated)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
