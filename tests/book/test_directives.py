"""Directives and roles of the book: what is recorded is shown, what is not is "not run"."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tinysite import Built, judged, made_up

from onebasin import claims, ledger, records

Build = Callable[..., Built]


def text(page: str) -> str:
    """The words of a page."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def test_measured_prints_the_mean_and_its_origin(build: Build) -> None:
    record = made_up()
    built = build("Barrier {measured}`inrs/line/path.weight:barrier:.3f` nats.", record)
    assert not built.warnings
    found = re.search(r'<span class="ob-measured" title="([^"]+)">([^<]+)</span>', built.page())
    assert found is not None
    assert found[2] == "0.500"
    assert "n = 3" in found[1] and record.id in found[1] and "profile smoke" in found[1]


def test_measured_shows_the_interval_that_a_claim_was_judged_by(build: Build) -> None:
    share = ledger.measured(0.97, "fraction of pairs", lo=0.91, hi=1.0, n=12)
    one = judged("inr-diff-two-peaks", "smoke", share=share, below=0.5, peaks=2.0)
    name = "inrs/line/inr-diff-two-peaks.claim"
    page = build(f"{{measured}}`{name}:share:.2f` {{measured}}`{name}:peaks`", one).page()
    titles = re.findall(r'class="ob-measured" title="([^"]+)"', page)
    assert "n = 12, 95 % interval 0.910 to 1 fraction of pairs" in titles[0]
    assert "interval" not in titles[1] and one.id in titles[1]


@pytest.mark.parametrize(
    "target", ["inrs/line/path.none:barrier:.3f", "inrs/line/path.weight:barrier:.3f@laptop"]
)
def test_measured_without_a_record_is_not_run(build: Build, target: str) -> None:
    built = build(f"Barrier {{measured}}`{target}`.", made_up())
    assert not built.warnings
    assert "Barrier not run" in text(built.page())


def test_measured_says_none_where_nothing_is_finite(build: Build) -> None:
    empty = made_up(metrics={"barrier": records.Metric((float("nan"),), "nats")})
    built = build("Barrier {measured}`inrs/line/path.weight:barrier:.3f`.", empty)
    assert not built.warnings
    assert "Barrier none" in text(built.page())


def test_measured_takes_another_profile(build: Build) -> None:
    laptop = made_up(profile="laptop", metrics={"barrier": records.Metric((2.0,), "nats")})
    built = build("{measured}`inrs/line/path.weight:barrier@laptop`", made_up(), laptop)
    assert ">2</span>" in built.page()
    assert ">2</span>" in build("{measured}`inrs/line/path.weight:barrier@largest`").page()


@pytest.mark.parametrize("wrong", ["inrs/line/path.weight:nothing:.3f", "no target"])
def test_a_wrong_measured_fails_the_build(build: Build, wrong: str) -> None:
    assert "measured:" in build(f"{{measured}}`{wrong}`", made_up()).warnings


def test_an_unknown_verdict_fails_the_build(build: Build) -> None:
    assert "verdict:" in build("{verdict}`almost`").warnings


def test_verdicts_show_what_was_judged_and_what_was_not(build: Build) -> None:
    one = judged("perm-example", "smoke", mismatches=0.0, matrices=3.0, control=4.0)
    page = "# Page\n\n```{verdicts} foundations/permutations\n```\n\n"
    pages = {"index.md": page + "```{toctree}\nledger\n```\n"}
    built = build(pages, one, extra={"ledger.md": "# Ledger\n\n```{ledger}\n```\n"})
    assert not built.warnings
    page = built.page()
    first = page[page.index("perm-example") : page.index("perm-invariance")]
    assert "ob-reproduced" in first and one.id in first and "not run laptop, gpu" in text(first)
    rest = page[page.index("perm-invariance") :]
    assert "ob-reproduced" not in rest and "not run smoke, laptop, gpu" in text(rest)
    assert "ledger.html#claim-perm-example" in page


def test_a_claim_that_one_profile_cannot_judge_says_why(build: Build) -> None:
    one = judged("inr-diff-two-peaks", "smoke", not_run="30 of 250 epochs fit")
    name = "inrs/line/inr-diff-two-peaks.claim"
    page = f"# Page\n\nA {{measured}}`{name}:share`.\n\n```{{summary}} II\n```\n\n"
    pages = {"index.md": page + "```{toctree}\nledger\n```\n"}
    built = build(pages, one, extra={"ledger.md": "# Ledger\n\n```{ledger}\n```\n"})
    assert not built.warnings and "A not run ." in text(built.page())
    rows = [text(row) for row in built.page().split("<tr")]
    row = next(row for row in rows if "inr-diff-two-peaks" in row)
    assert "not run not run 30 of 250 epochs fit" in row.replace(" smoke", "")
    card = built.page("ledger").partition('id="claim-inr-diff-two-peaks"')[2]
    card = card.partition("</article>")[0]
    assert 'data-smoke="not run"' in card and "30 of 250 epochs fit" in text(card)


def test_a_quantity_that_is_not_the_rows_is_reported_with_a_reason_as_well(build: Build) -> None:
    one = judged("inr-diff-two-peaks", "smoke", not_run="30 of 250 epochs fit")
    name = "inrs/line/inr-diff-two-peaks.claim"
    assert "has only []" in build(f"A {{measured}}`{name}:shares`.\n", one).warnings


def test_verdicts_of_an_unknown_chapter_fail_the_build(build: Build) -> None:
    assert "no claim of the ledger" in build("```{verdicts} foundations/nowhere\n```").warnings


def test_a_failed_rule_is_shown_as_not_reproduced(build: Build) -> None:
    one = judged("perm-example", "smoke", mismatches=2.0, matrices=3.0, control=4.0)
    page = build("```{ledger}\n```", one).page()
    card = page[page.index('id="claim-perm-example"') : page.index('id="claim-perm-invariance"')]
    assert "ob-not-reproduced" in card and 'data-smoke="not reproduced"' in card


def test_a_capped_verdict_says_so(build: Build) -> None:
    share = ledger.measured(1.0, "fraction of pairs", lo=0.95, hi=1.0, n=12)
    one = judged("inr-diff-two-peaks", "smoke", share=share, below=0.5, peaks=2.0)
    page = build("```{ledger}\n```", one).page()
    card = page[page.index('id="claim-inr-diff-two-peaks"') :]
    card = card[: card.index("</article>")]
    assert "ob-same-direction" in card and "capped" in card and "[0.950, 1.000]" in card


def test_the_ledger_has_every_row_and_a_filter(build: Build) -> None:
    built = build("```{ledger}\n```")
    page = built.page()
    assert not built.warnings
    assert page.count("<article ") == len(claims.load())
    assert all(f'id="claim-{name}"' in page for name in claims.load())
    assert '<form class="ob-filter"' in page and "ledger.js" in page
    assert 'class="math' in page and "$" not in text(page[page.index("<article") :])


def test_costs_of_a_chapter(build: Build) -> None:
    built = build("```{cost} inrs/line\n```", made_up())
    words = text(built.page())
    assert not built.warnings
    assert "smoke 83 s 488 MiB cpu 1 2026-01-02 0123456789" in words
    assert "laptop, gpu not run" in words


def test_status_lists_runs_and_recipes(build: Build) -> None:
    recipe = {"name": "inr-pairs", "key": "abc", "seconds": 600.0, "budget_seconds": 3600.0}
    words = text(build("```{status}\n```", made_up(recipes=(recipe,))).page())
    assert "inrs/line smoke 83 s" in words
    assert "inr-pairs/abc 10 min 00 s 1 h 00 min inrs/line (smoke)" in words


def test_status_without_records_says_not_run(build: Build) -> None:
    built = build("```{status}\n```")
    assert not built.warnings and "not run" in text(built.page())


def test_a_damaged_record_is_reported_and_counts_as_not_run(build: Build, tmp_path: Path) -> None:
    path = records.save(made_up(), tmp_path / "records")
    path.write_text(path.read_text().replace("0.25", "0.26"))
    built = build("Barrier {measured}`inrs/line/path.weight:barrier:.3f`.")
    assert "is damaged" in built.warnings and "Barrier not run" in text(built.page())


def test_front_page_counts(build: Build) -> None:
    one = judged("perm-example", "smoke", mismatches=0.0, matrices=3.0, control=4.0)
    built = build("```{findings}\n```\n\n```{parts}\n```", one)
    words = text(built.page())
    assert not built.warnings
    assert (
        f"1 of {len(claims.load())}" in words
        and "I. Foundations" in words
        and "not written yet" in words
    )


def test_summary_lists_every_claim_of_a_part_with_its_largest_run(build: Build) -> None:
    share = ledger.measured(0.97, "fraction of pairs", lo=0.91, hi=1.0, n=12)
    one = judged("inr-diff-two-peaks", "laptop", share=share, below=0.5, peaks=2.0)
    small = judged("inr-diff-two-peaks", "smoke", share=0.25, below=0.5, peaks=2.0)
    built = build("```{ledger}\n```\n\n```{summary} II\n```", one, small)
    assert not built.warnings
    table = built.page().split("Claims of part II")[-1]
    rows = [text(row) for row in table.split("<tr")[2:]]
    part = [claim for claim in claims.load().values() if claim.part == "II"]
    assert len(rows) == len(part)
    row = next(row for row in rows if "inr-diff-two-peaks" in row)
    assert "0.97" in row and "12" in row and "laptop" in row and "0.25" not in row
    assert "not run" in next(row for row in rows if "inr-same-flat" in row)
    assert "no claim" in build("```{summary} XX\n```").warnings


FIGURE = """\
```{drawn} inrs/line path
:draw: tinysite.square
:alt: A line that rises in two equal steps.

A *caption*.
```
"""


def test_a_figure_is_drawn_from_the_largest_records(build: Build) -> None:
    built = build(FIGURE, made_up(), made_up(profile="laptop"))
    assert not built.warnings
    assert "inrs-line-path-laptop.svg" in built.page() and "A line that rises" in built.page()
    assert "<em>caption</em>" in built.page()
    assert (built.folder / "_images" / "inrs-line-path-laptop.svg").is_file()


def test_a_figure_without_records_is_not_run(build: Build) -> None:
    built = build(FIGURE)
    assert not built.warnings and "not run" in text(built.page())


def test_a_figure_without_a_routine_fails_the_build(build: Build) -> None:
    assert "no object" in build(FIGURE.replace("square", "circle"), made_up()).warnings


def test_source_is_the_librarys_own(build: Build) -> None:
    page = build("```{source} onebasin.connectivity.barrier.barrier\n```").page()
    words = text(page)
    assert "def barrier" in words and "Args:" not in words
    assert "onebasin/connectivity/barrier.py, line" in words


def test_source_of_nothing_fails_the_build(build: Build) -> None:
    assert "no object" in build("```{source} onebasin.matching.weight.nothing\n```").warnings


def test_methods_and_packs_come_from_the_library(build: Build) -> None:
    from onebasin.data.packs import PACKS
    from onebasin.registry import matchers

    words = text(build("```{methods}\n```\n\n```{packs}\n```\n\n```{bibliography}\n```").page())
    assert all(method.label in words for method in matchers().values())
    assert all(f"{name}.npz" in words for name in PACKS)


def test_api_pages_resolve_short_names_but_not_misspelt_ones(build: Build) -> None:
    page = "```{api} onebasin.errors onebasin.intervals\n```\n\n"
    built = build(page + "{py:class}`Interval` {py:class}`Intervall`")
    assert "Intervall" in built.warnings and built.warnings.count("WARNING") == 1
    assert 'href="#onebasin.intervals.Interval"' in built.page()
