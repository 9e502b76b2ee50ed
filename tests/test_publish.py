"""Publishing and comparing: results come from clean commits only, and what moved is told."""

from __future__ import annotations

import dataclasses
import math

import pytest

from onebasin import compare, paths, provenance, publish, records, sidecar
from onebasin.errors import CorruptFileError, InputError, RunError
from onebasin.records import Metric
from test_records import example
from tinybook import commit_all

NAME = "notebooks/inrs/line.py"
PARAMS = {"width": 64, "rate": 0.5, "shapes": ["chair", "mug"], "quick": False}


def run(project, *, method="weight", barrier=(0.1, 0.2, 0.3), finish=True, **changes):
    """Leave the records of a run of the tiny book's chapter, as it is committed now."""
    source = (project / NAME).read_text()
    fields = {
        "params": {"profile": "smoke", **PARAMS},
        "commit": provenance.commit()[0],
        "sources": {NAME: provenance.fingerprint(source)},
        "metrics": {"barrier": Metric(tuple(barrier), "nats")},
        "method": method,
    }
    record = example(**{**fields, **changes})
    records.save(record, paths.live())
    if finish:
        live = records.find(root=paths.live(), profile=record.profile)
        sidecar.write(paths.live(), "0" * 12, [], live)
    return record


def test_clean_run_is_copied_with_its_arrays_and_names_what_it_replaces(project, commit):
    first = run(project)
    (done,) = publish.publish("smoke")
    assert (done.id, done.replaced) == (first.id, None)
    assert done.path == project / "results/smoke/inrs/line/path.weight.json"
    assert publish.publish("smoke") == []
    arrays = {"curve": records.np.arange(3.0)}
    marks = {"curve": records.array_mark(arrays["curve"])}
    second = run(project, barrier=(0.5,), arrays=marks, held=arrays)
    (done,) = publish.publish("smoke")
    assert (done.id, done.replaced) == (second.id, first.id)
    loaded = records.load(done.path)
    assert loaded.replaces == first.id and loaded.id == second.id
    assert list(loaded.load_arrays()["curve"]) == [0, 1, 2]


def test_record_the_run_no_longer_makes_is_removed_and_told(project, commit):
    run(project, method="none")
    run(project)
    publish.publish("smoke")
    (paths.live() / "smoke/inrs/line/path.none.json").unlink()
    run(project)
    (gone,) = publish.publish("smoke")
    assert gone.id is None and not gone.path.exists()


def test_changed_tree_is_refused(project, commit):
    run(project)
    (project / "note.txt").write_text("x")
    with pytest.raises(RunError, match="not committed"):
        publish.publish("smoke")
    assert not (project / "results").exists()


def test_folder_without_git_is_refused(project, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    run(project)
    with pytest.raises(RunError, match="not a git checkout"):
        publish.publish("smoke")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"dirty": True}, "not committed"),
        ({"commit": None}, "does not know its commit"),
        ({"dirty": None}, "does not know its commit"),
        ({"commit": "1" * 40}, "not in this repository"),
        ({"sources": {NAME: "0" * 16}}, f"other sources.*{NAME}"),
        ({"params": {"profile": "smoke", **PARAMS, "width": 65}}, "other parameters"),
    ],
)
def test_one_unfit_record_stops_all(project, commit, changes, why):
    run(project, method="none")
    run(project, **changes)
    with pytest.raises(RunError, match=why):
        publish.publish("smoke")
    assert not (project / "results").exists()


def test_unfinished_run_is_refused(project, commit):
    run(project)
    run(project, barrier=(9.0,), finish=False)
    with pytest.raises(RunError, match="no finished run"):
        publish.publish("smoke")


def test_nothing_run_is_said(project, commit):
    with pytest.raises(RunError, match="nothing was run at laptop"):
        publish.publish("laptop")


def test_what_moved_between_commits_and_now(project, commit):
    run(project, method="none")
    run(project)
    publish.publish("smoke")
    first = commit_all(project, "results")
    assert compare.between(first) == []
    values = (0.1, 0.2, math.nextafter(0.3, 1))
    run(project, barrier=values)
    (change,) = compare.between(first)
    assert change.kind == "value" and change.metric == "barrier" and change.unit == "nats"
    assert 0 < change.difference < 1e-15 and not change.outside
    run(project, barrier=(5.0, 5.0, 5.0))
    (change,) = compare.between("HEAD")
    assert math.isclose(change.difference, 4.8) and change.outside
    publish.publish("smoke")
    commit_all(project, "moved")
    assert compare.between("HEAD~1", "HEAD") == [change]
    assert compare.between("HEAD") == []


def test_added_removed_verdicts_and_values_that_are_not_finite():
    old, new = example(), example(method="none")
    kinds = [(one.kind, one.method) for one in compare.changes([old], [new])]
    assert kinds == [("added", "none"), ("removed", "weight")]
    claim = {"kind": "claim", "method": "claim", "metrics": {}}
    before = example(**claim, outcome={"verdict": "reproduced"})
    after = example(**claim, outcome={"verdict": "not reproduced"})
    (change,) = compare.changes([before], [after])
    assert (change.kind, change.before, change.after) == ("verdict", "reproduced", "not reproduced")
    assert change.outside
    odd = dataclasses.replace(old, metrics={"barrier": Metric((math.nan,), "nats")})
    (change,) = compare.changes([old], [odd])
    assert "not finite" in change.after and change.outside
    assert compare.changes([odd], [odd]) == []


def test_changed_arrays_are_told():
    (change,) = compare.changes([example()], [example(arrays={"curve": "0" * 16})])
    assert change.metric == "arrays"


def test_two_folders_of_equal_runs_are_identical(tmp_path):
    for name in ("one", "two"):
        records.save(example(created=name), tmp_path / name)
    assert compare.identical(tmp_path / "one", tmp_path / "two") == []
    records.save(example(method="none"), tmp_path / "two")
    assert len(compare.identical(tmp_path / "one", tmp_path / "two")) == 1


def test_unknown_commit_and_damaged_results_are_errors(project, commit):
    with pytest.raises(InputError, match="is no commit"):
        compare.between("nowhere")
    run(project)
    (done,) = publish.publish("smoke")
    done.path.write_text(done.path.read_text().replace("0.1", "0.4"))
    commit_all(project, "edited by hand")
    with pytest.raises(CorruptFileError, match="another commit"):
        compare.at("HEAD")
    done.path.write_text("{")
    commit_all(project, "cut")
    with pytest.raises(CorruptFileError, match="another commit"):
        compare.at("HEAD")
