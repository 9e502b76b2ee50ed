"""The ledger: its rows are sound, verdicts come from rules that can fail, and staleness shows."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from onebasin import claims, ledger, paths, records, rules
from onebasin.errors import CorruptFileError, InputError
from onebasin.intervals import Interval
from onebasin.ledger import measured
from tinybook import commit_all

ROW = yaml.safe_load(
    """
id: sample
part: II
chapter: inrs/line
statement: Something holds.
source: {T: "§3"}
paper: exact
note: null
measures: {share: share of pairs, other: something else}
unit: "1"
rule: {reproduced: "share_lo >= 0.9 and other < 1", same_direction: "share >= 0.5"}
tolerance: Because.
"""
)

IDS = {
    "I": (
        "perm-example perm-invariance perm-only perm-group-laws perm-automorphism perm-count "
        "perm-conjecture barrier-sign barrier-nonneg barrier-auc lap-frobenius am-separable "
        "wm-coordinate relu-scaling canonical-form counterexample soblap-hard wm-terminates "
        "mergemany-terminates align-equivariance"
    ),
    "II": (
        "inr-fit inr-shared-init inr-same-flat inr-diff-two-peaks inr-wm-one-peak "
        "inr-am-like-diff inr-predictions inr-wm-identity inr-embedding-distance "
        "inr-first-layer inr-minmax inr-prune-quality inr-prune-path inr-encoder-input "
        "inr-hyper-path inr-hyper-embedding inr-timing"
    ),
    "III": (
        "gr-planted gr-timing gr-mnist gr-cifar-mlp gr-imagenet gr-ste-best gr-ste-init "
        "gr-correlation gr-slerp gr-onset gr-init-lmc gr-width gr-split gr-calibration "
        "gr-merge-many gr-steepest gr-failures"
    ),
    "IV": (
        "da-arch-equivariant da-exact da-simulates-am da-lap-margin da-sinkhorn da-mlp da-cnn "
        "da-inr da-ood da-disjoint da-vgg da-init da-samples da-ablation da-permutations "
        "da-cnn-layers"
    ),
    "V": (
        "na-correlation na-techniques na-table1 na-gain na-table2 na-plane na-epochs "
        "na-theorem na-tight na-wasserstein na-post na-corr-l2 na-residual na-pam "
        "na-pam-coupling na-pam-monotone na-bvn na-bvn-sample na-subset na-cost na-hyper "
        "na-robust"
    ),
    "VI": (
        "ws-prior ws-bma ws-continuity ws-cfm-gradient ws-ot-straight ws-sphere ws-rfm "
        "ws-likelihood ws-graph ws-gnn ws-symmetry-bias ws-fewer-modes ws-generate"
    ),
    "VII": (
        "siren-dihedral siren-why-not-inr2vec repair cycle-consistent order-variance auto-spec"
    ),
}
LOAD = claims.load  # tests put ledgers of their own in its place


def write_rows(path: Path, *rows) -> Path:
    path.write_text(yaml.safe_dump(list(rows), sort_keys=False), encoding="utf8")
    return path


@pytest.fixture
def sample(tmp_path, monkeypatch):
    """A ledger of one row, ``sample``."""
    rows = claims.load(write_rows(tmp_path / "claims.yml", ROW))
    monkeypatch.setattr(claims, "load", lambda: rows)
    return rows["sample"]


def test_every_row_of_the_papers_is_there_once_and_fits_the_schema():
    held = {part: [] for part in claims.PARTS}
    for row in claims.load().values():
        held[row.part].append(row.id)
    assert held == {part: names.split() for part, names in IDS.items()}


def test_every_paper_is_in_the_ledger():
    cited = {paper for row in claims.load().values() for paper in row.source}
    assert set(claims.PAPERS) <= cited


@pytest.mark.parametrize("name", sorted(claims.load()))
def test_every_rule_can_hold_or_fail(name):
    """No rule is idle: what was not measured never passes, and every verdict is within reach."""
    row = claims.get(name)
    values = {key + end: math.nan for key in row.measures for end in ("", "_lo", "_hi")}
    assert row.judge(values, "gpu") == (claims.NOT, False)
    assert all(rules.names(rule) for rule in row.rule.values())


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"part": "VIII"}, "part must be"),
        ({"source": {"XX": "1"}}, "source must name papers"),
        ({"source": {}}, "must say where"),
        ({"chapter": None}, "run in a chapter or give a reason"),
        ({"reason": "not due"}, "run in a chapter or give a reason"),
        ({"rule": {"same_direction": "share > 0"}}, "rule needs reproduced"),
        ({"rule": {"reproduced": "share > 0", "partly": "share > 0"}}, "rule needs"),
        ({"rule": {"reproduced": "shar > 0"}}, "names ['shar']"),
        ({"rule": {"reproduced": "1 > 0"}}, "could not fail"),
        ({"rule": {"reproduced": "share >"}}, "is not an expression"),
        ({"cap": {"smoke": "same direction"}}, "cap needs"),
        ({"cap": {"smoke": "reproduced"}, "cap_why": "x"}, "cap needs"),
        ({"cap": {"tiny": "same direction"}, "cap_why": "x"}, "cap needs"),
        ({"measures": {}, "rule": {"reproduced": "1 > 0"}}, "must name a quantity"),
        ({"paper": 3}, "paper must be text"),
        ({"measures": ["share"]}, "measures must map"),
        ({"color": "red"}, "color"),
    ],
)
def test_unsound_rows_are_refused_by_name(tmp_path, change, fault):
    path = write_rows(tmp_path / "claims.yml", {**ROW, **change})
    with pytest.raises(CorruptFileError, match="row 'sample'") as caught:
        claims.load(path)
    assert fault in str(caught.value)


def test_rows_need_ids_of_their_own(tmp_path):
    with pytest.raises(CorruptFileError, match=r"twice \['sample'\]"):
        claims.load(write_rows(tmp_path / "claims.yml", ROW, ROW))


def test_broken_yaml_is_one_error(tmp_path):
    path = tmp_path / "claims.yml"
    path.write_text("- id: [")
    with pytest.raises(CorruptFileError, match="not YAML"):
        claims.load(path)


def test_unknown_claim_is_an_error():
    with pytest.raises(InputError, match="no row"):
        claims.get("nothing")


@pytest.mark.parametrize(
    ("share", "lo", "verdict"),
    [(0.95, 0.91, "reproduced"), (0.95, 0.8, "same direction"), (0.4, 0.3, "not reproduced")],
)
def test_verdict_reads_values_and_ends_of_intervals(sample, share, lo, verdict):
    share = measured(share, lo=lo, hi=1.0, n=20)
    outcome = ledger.decide("sample", "smoke", {"other": measured(0.5), "share": share})
    assert (outcome.verdict, outcome.capped) == (verdict, False)
    assert list(outcome.measured) == ["share", "other"]


def test_cap_lowers_only_its_profile_and_only_downwards(tmp_path, monkeypatch):
    cap = {"cap": {"smoke": "same direction"}, "cap_why": "too small"}
    rows = claims.load(write_rows(tmp_path / "claims.yml", {**ROW, **cap}))
    monkeypatch.setattr(claims, "load", lambda: rows)
    good = {"share": measured(1.0), "other": measured(0.0)}
    bad = {"share": measured(0.0), "other": measured(0.0)}
    verdicts = [
        (one.verdict, one.capped)
        for one in (
            ledger.decide("sample", "smoke", good),
            ledger.decide("sample", "laptop", good),
            ledger.decide("sample", "smoke", bad),
        )
    ]
    wanted = [("same direction", True), ("reproduced", False), ("not reproduced", False)]
    assert verdicts == wanted


@pytest.mark.parametrize("names", [["share"], ["share", "other", "more"], []])
def test_quantities_have_to_be_the_rows(sample, names):
    with pytest.raises(InputError, match="measures exactly"):
        ledger.decide("sample", "smoke", {name: measured(1.0) for name in names})


def test_measured_takes_an_interval_and_refuses_a_value_outside_it():
    assert measured(Interval(0.5, 0.4, 0.6, 9), "nats") == ledger.Measured(0.5, "nats", 0.4, 0.6, 9)
    with pytest.raises(InputError, match="outside"):
        measured(1.0, lo=2.0, hi=3.0)


def save_outcome(root: Path, profile: str = "smoke", **fields) -> records.Record:
    from test_records import example

    given = {"share": measured(0.95, lo=0.92, hi=1.0, n=20), "other": measured(math.inf)}
    outcome = ledger.decide("sample", profile, given)
    content = {**ledger.to_record_fields(outcome), "profile": profile, **fields}
    record = example(**content)
    records.save(record, root)
    return record


def test_outcome_survives_its_record_and_never_travels(sample, project):
    root = paths.live()
    record = save_outcome(root, sources={})
    held = ledger.outcomes()["sample"]
    assert list(held) == ["smoke"]
    assert held["smoke"].verdict == "same direction"
    assert held["smoke"].measured["other"].value == math.inf
    (entry,) = ledger.entries()
    assert entry == {
        "id": "sample",
        "part": "II",
        "statement": "Something holds.",
        "paper": "exact",
        "verdict": {"smoke": "same direction", "laptop": "not run", "gpu": "not run"},
        "reason": "no record yet at laptop, gpu",
        "measured": {"smoke": {"value": 0.95, "unit": "1", "lo": 0.92, "hi": 1.0, "n": 20}},
        "record": {"smoke": record.id},
        "stale": {},
    }


def test_row_without_a_verdict_at_one_profile_says_why(sample, project):
    half = {"other": measured(2.0)}
    outcome = ledger.decide("sample", "smoke", half, not_run=" 30 of 250 epochs fit ")
    assert (outcome.verdict, outcome.capped) == ("not run", False)
    from test_records import example

    record = example(**ledger.to_record_fields(outcome), profile="smoke", sources={})
    records.save(record, paths.live())
    held = ledger.outcomes()["sample"]["smoke"]
    assert held.reason == "30 of 250 epochs fit" and held.measured == half
    (entry,) = ledger.entries()
    assert entry["verdict"]["smoke"] == "not run" and entry["measured"] == {}
    assert entry["reason"] == "30 of 250 epochs fit (smoke); no record yet at laptop, gpu"


@pytest.mark.bad_input
@pytest.mark.parametrize(("names", "reason"), [(["more"], "too long"), ([], "  ")])
def test_row_without_a_verdict_takes_its_own_quantities_and_words(sample, names, reason):
    with pytest.raises(InputError, match="a reason is a sentence"):
        given = {name: measured(1.0) for name in names}
        ledger.decide("sample", "smoke", given, not_run=reason)


def test_changed_rule_makes_the_verdict_stale_but_keeps_it(sample, project, tmp_path, monkeypatch):
    save_outcome(paths.live(), sources={})
    other = {**ROW, "rule": {"reproduced": "share > 0.1"}}
    rows = LOAD(write_rows(tmp_path / "other.yml", other))
    monkeypatch.setattr(claims, "load", lambda: rows)
    (entry,) = ledger.entries()
    assert entry["verdict"]["smoke"] == "same direction"
    assert entry["stale"] == {"smoke": "its rule was changed"}


def test_row_that_is_not_due_says_why(tmp_path, monkeypatch, project):
    row = {**ROW, "chapter": None, "reason": "not due yet"}
    rows = claims.load(write_rows(tmp_path / "claims.yml", row))
    monkeypatch.setattr(claims, "load", lambda: rows)
    (entry,) = ledger.entries()
    assert entry["reason"] == "not due yet" and set(entry["verdict"].values()) == {"not run"}


def test_stale_since_names_the_first_commit_that_changed_the_code(sample, project, commit):
    from onebasin import provenance

    source = project / "notebooks" / "inrs" / "line.py"
    name = "notebooks/inrs/line.py"
    mark = provenance.fingerprint(source.read_text())
    start = provenance.commit()[0]
    save_outcome(paths.results(), sources={name: mark}, commit=start)
    source.write_text(source.read_text() + "# only a remark\n")
    commit_all(project, "prose")
    assert ledger.entries()[0]["stale"] == {}
    source.write_text(source.read_text() + "value = 1\n")
    assert ledger.entries()[0]["stale"] == {"smoke": "the working tree"}
    changed = commit_all(project, "code")
    source.write_text(source.read_text() + "value = 2\n")
    commit_all(project, "more code")
    stale = ledger.entries()[0]["stale"]["smoke"]
    assert changed.startswith(stale) and len(stale) >= 4


def test_stale_without_history_is_said_so(sample, project):
    save_outcome(paths.live(), sources={"notebooks/inrs/line.py": "0" * 16}, commit=None)
    assert ledger.entries()[0]["stale"] == {"smoke": "an unknown commit"}
