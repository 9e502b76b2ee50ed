"""A small site built with the book's own extension, from records made up for the test."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from onebasin import ledger, records
from onebasin.records import Metric, Record

BIB = Path(__file__).resolve().parents[2] / "book" / "references.bib"


def made_up(**changes: Any) -> Record:
    """A record of no run at all, with every field filled."""
    plain = Record(
        kind="measurement",
        chapter="inrs/line",
        experiment="path",
        method="weight",
        profile="smoke",
        params={"profile": "smoke"},
        seeds=(0, 1, 2),
        metrics={"barrier": Metric((0.25, 0.5, 0.75), "nats")},
        created="2026-01-02T03:04:05+00:00",
        commit="0123456789abcdef",
        dirty=False,
        versions={},
        device="cpu",
        threads=1,
        precision="highest",
        peak_memory_mb={"process": 512.0},
        seconds={"chapter": 83.0, "experiment": None, "excludes": "imports"},
    )
    return replace(plain, **changes)


def judged(claim: str, profile: str, *, not_run: str | None = None, **values: Any) -> Record:
    """The record of a claim, judged by its real rule from made-up values, or not judged."""
    measured = {
        k: v if isinstance(v, ledger.Measured) else ledger.measured(v) for k, v in values.items()
    }
    outcome = ledger.decide(claim, profile, measured, not_run=not_run)
    return made_up(
        **ledger.to_record_fields(outcome), chapter=outcome.claim.chapter, profile=profile
    )


def square(panel: Any, held: list[Record]) -> None:
    """Draw the values of one metric, as small as a figure can be."""
    panel.subplots().plot([0, 1, 2], held[0].values("barrier"))


@dataclass
class Built:
    """What a build gave: its warnings, and its pages by name."""

    warnings: str
    folder: Path

    def page(self, name: str = "index") -> str:
        """The text of a page."""
        return (self.folder / f"{name}.html").read_text(encoding="utf8")


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Built]:
    """Function that builds pages (name to MyST text) beside the given records."""
    pytest.importorskip("myst_nb")
    source, held = tmp_path / "site", tmp_path / "records"
    monkeypatch.setenv("ONEBASIN_RECORDS", str(held))
    monkeypatch.setenv("ONEBASIN_PROFILE", "smoke")

    def make(
        pages: Mapping[str, str] | str, *made: Record, extra: Mapping[str, str] | None = None
    ) -> Built:
        for one in made:
            records.save(one, held)
        texts = {"index.md": f"# Page\n\n{pages}"} if isinstance(pages, str) else dict(pages)
        for name, text in {**texts, **(extra or {})}.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf8")
        return _sphinx(source, tmp_path)

    return make


def _sphinx(source: Path, folder: Path) -> Built:
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace

    from bookext import evidence

    evidence.forget()
    overrides = {
        "extensions": [
            "myst_nb",
            "sphinx.ext.autodoc",
            "sphinx.ext.napoleon",
            "sphinxcontrib.bibtex",
            "bookext",
        ],
        "nb_custom_formats": {".py": ["bookext.reader.read_notebook", {}, False]},
        "nb_execution_mode": "off",
        "bibtex_bibfiles": [str(BIB)],
        "bibtex_reference_style": "author_year",
        "myst_enable_extensions": ["dollarmath", "colon_fence"],
        "html_theme": "basic",
        "exclude_patterns": ["_build"],
        "html_sourcelink_suffix": "",
        "nitpicky": True,
    }
    warnings = io.StringIO()
    out = folder / "html"
    with docutils_namespace():
        app = Sphinx(
            str(source),
            None,
            str(out),
            str(folder / "doctrees"),
            "html",
            confoverrides=overrides,
            status=None,
            warning=warnings,
            freshenv=True,
        )
        app.build(force_all=True)
    return Built(warnings.getvalue(), out)
