"""The interface of chapters: complete parameters, one record each, whole files, one digest."""

from __future__ import annotations

import errno
import sys
import types

import numpy as np
import pytest
import torch

from onebasin import artifacts, book, files, ledger, paths, records, sidecar
from onebasin.errors import InputError, RunError

PARAMS = {"width": 64, "rate": 0.5, "shapes": ["chair", "mug"], "quick": False}
CLAIM = "inr-wm-one-peak"


def start(**changes) -> book.Run:
    return book.start("inrs/line", **{"profile": "smoke", **PARAMS, **changes})


def measure(run: book.Run, values=(0.25, 0.5)) -> None:
    curve = torch.linspace(0, 1, 5)
    barrier = book.metric(torch.tensor(values), "nats", groups=["chair", "mug"])
    metrics = {"barrier": barrier}
    run.record("path", method="weight", metrics=metrics, seeds=[0, 1], arrays={"curve": curve})
    run.record("path", metrics={"barrier": book.metric(1, "nats")}, seeds=[0])
    share = book.measured(0.95, "fraction of pairs", lo=0.9, hi=1.0, n=20)
    run.claim(CLAIM, share=share, relative=0.5, higher=0.1)


def test_run_writes_everything_at_the_end_and_prints_one_line(project, capsys):
    run = start()
    measure(run)
    assert not paths.live().exists()
    run.finish()
    line = capsys.readouterr().out
    assert line.startswith("digest inrs/line ") and line.endswith("· 3 records · 6 values\n")
    found = records.find(chapter="inrs/line", profile="smoke")
    names = [(one.experiment, one.method) for one in found]
    assert names == [(CLAIM, "claim"), ("path", "none"), ("path", "weight")]
    record = found[2]
    assert record.params == {"profile": "smoke", **PARAMS} and record.seeds == (0, 1)
    assert record.seconds["chapter"] > 0 and "recipes" in record.seconds["excludes"]
    assert record.created and record.versions["torch"] == torch.__version__
    assert {"notebooks/inrs/line.py", "src/onebasin/book.py"} <= set(record.sources)
    assert record.load_arrays()["curve"].dtype == np.float32
    outcome = ledger.outcomes()[CLAIM]["smoke"]
    assert outcome.measured["relative"].value == 0.5 and outcome.stale is None


def test_equal_measurements_give_the_equal_digest_and_another_bit_another(project, capsys):
    lines = []
    for values in ((0.25, 0.5), (0.25, 0.5), (0.25, 0.50000006)):
        run = start()
        measure(run, values)
        run.finish()
        lines.append(capsys.readouterr().out)
    assert lines[0] == lines[1] != lines[2]


def test_note_beside_the_records_vouches_for_them(project, capsys):
    run = start()
    measure(run)
    run.finish()
    note = sidecar.read(paths.live(), "smoke", "inrs/line")
    found = records.find(root=paths.live())
    assert note["records"] == {f"{one.experiment}.{one.method}": one.id for one in found}
    assert note["digest"] in capsys.readouterr().out
    assert "src/onebasin/records.py" in note["sources"]
    sidecar.path(paths.live(), "smoke", "inrs/line").write_text("{")
    assert sidecar.read(paths.live(), "smoke", "inrs/line") is None
    assert sidecar.read(paths.live(), "gpu", "inrs/line") is None


def test_second_run_leaves_nothing_of_the_first(project):
    run = start()
    measure(run)
    run.finish()
    run = start()
    run.record("other", metrics={"x": book.metric([1.0])})
    run.finish()
    folder = paths.live() / "smoke" / "inrs" / "line"
    assert sorted(path.name for path in folder.iterdir()) == [".run.json", "other.none.json"]


def test_source_edited_while_it_ran_gets_no_fingerprint(project, monkeypatch):
    source = project / "notebooks" / "inrs" / "line.py"
    monkeypatch.setattr(book, "_LOADED", source.stat().st_mtime - 1)
    run = start()
    measure(run)
    run.finish()
    record = records.find(root=paths.live(), method="weight")[0]
    assert record.sources["notebooks/inrs/line.py"] == "edited while it ran"
    assert ledger.outcomes()[CLAIM]["smoke"].stale


def test_full_disk_at_the_end_leaves_no_vouching_note(project, monkeypatch):
    run = start()
    measure(run)
    run.finish()
    run = start()
    measure(run, (0.5, 0.5))
    calls = []

    def full(handle):
        calls.append(handle)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RunError, match="no space left"):
        run.finish()
    assert sidecar.read(paths.live(), "smoke", "inrs/line") is None
    for path in paths.live().rglob("*.json"):
        records.load(path).load_arrays()


@pytest.mark.parametrize("changes", [{"widht": 3}, {"profile": "tiny"}])
def test_unknown_parameter_or_profile_is_an_error(project, changes):
    with pytest.raises(InputError):
        start(**changes)


def test_missing_parameter_is_named(project):
    with pytest.raises(InputError, match=r"missing \['rate'\]"):
        book.start("inrs/line", profile="smoke", width=1, shapes=[], quick=True)


def test_data_and_recipes_are_named_and_their_making_is_not_counted(project, monkeypatch):
    recipe = artifacts.Recipe("toy", {"a": 1}, {"pack.npz": "1" * 64})
    clock = iter([0.0, 100.0, 100.5, 103.0])

    def tick() -> float:
        return next(clock)

    artifact = artifacts.make(recipe, lambda settings: {"x": torch.zeros(1)})
    artifact = artifacts.Artifact(recipe, artifact.folder, (100.0,), "cpu", 1, 100.0)
    run = start()
    monkeypatch.setattr(book.time, "perf_counter", tick)
    run.began = tick()
    with run.clock("path"):
        pass
    assert run.recipe(artifact) is artifact
    run.data("cifar.npz", "2" * 64, note="a lossy copy")
    run.record("path", metrics={"x": book.metric([1.0])})
    run.finish()
    (record,) = records.find(root=paths.live())
    assert record.seconds["chapter"] == 3.0 and record.seconds["experiment"] == 0.5
    assert {one["name"]: one["note"] for one in record.data} == {
        "pack.npz": None,
        "cifar.npz": "a lossy copy",
    }
    assert record.recipes[0]["key"] == recipe.key and record.recipes[0]["seconds"] == 100.0


def test_one_record_for_each_name(project):
    run = start()
    measure(run)
    with pytest.raises(InputError, match="recorded already"):
        run.record("path", method="weight", metrics={"x": book.metric([1.0])})


def test_arrays_over_the_limit_are_refused_at_once(project):
    noise = {"noise": torch.rand(200_000, dtype=torch.float64)}
    with pytest.raises(InputError, match="at most 300"):
        start().record("path", metrics={"x": book.metric([1.0])}, arrays=noise)


def test_empty_run_cannot_be_finished(project):
    with pytest.raises(InputError, match="recorded nothing"):
        start().finish()


def test_claim_of_another_chapter_is_refused(project):
    with pytest.raises(InputError, match="belongs to chapter 'foundations"):
        start().claim("perm-example", mismatches=0, matrices=3, control=1)


@pytest.mark.parametrize("values", [[], [[1.0]], torch.zeros(2, 2)])
def test_metric_is_one_list(values):
    with pytest.raises(InputError, match="one list"):
        book.metric(values)


def test_metric_takes_numbers_arrays_and_labels():
    assert book.metric(np.float32(0.1)).values == (float(np.float32(0.1)),)
    metric = book.metric([1, 2], "kB", groups=np.array([3, 4]))
    assert metric.values == (1.0, 2.0) and metric.groups == (3, 4)
    with pytest.raises(InputError, match="label each"):
        book.metric([1, 2], groups=["a"])


@pytest.fixture
def shown(monkeypatch):
    """What a notebook would show."""
    bundles: list[dict] = []
    monkeypatch.setattr(book, "_notebook", lambda: types.SimpleNamespace())
    monkeypatch.setattr(book, "_display", bundles.append)
    return bundles


def draw(panel, found) -> None:
    axes = panel.subplots()
    for record in found:
        axes.plot(record.load_arrays().get("curve", [0, 1]), label=record.profile)


def test_plain_script_draws_nothing(project):
    run = start()
    measure(run)
    before = set(sys.modules)
    run.show(lambda panel, found: pytest.fail("drawn"), "path")
    run.interact(lambda found: pytest.fail("drawn"), "path")
    assert not {name for name in set(sys.modules) - before if name.startswith("matplotlib")}


def test_figure_is_the_same_bytes_every_time(project, shown):
    run = start()
    measure(run)
    run.show(draw, "path")
    run.show(draw, "path")
    assert shown[0] == shown[1]
    svg = shown[0]["image/svg+xml"]
    assert svg.startswith("<?xml") and "dc:date" not in svg


def test_largest_recorded_profile_is_shown_beside_the_live_one(project, shown):
    for profile in ("smoke", "laptop", "gpu"):
        run = start(profile=profile)
        measure(run)
        for one in run._finished():
            if profile != "gpu":
                records.save(one, paths.results())
    run = start()
    measure(run)
    seen = []
    run.show(lambda panel, found: seen.append([(r.profile, r.method) for r in found]), "path")
    assert [group[0][0] for group in seen] == ["smoke", "laptop"]
    assert all(group == sorted(group) and len(group) == 2 for group in seen)
    seen.clear()
    live = start(profile="laptop")
    measure(live)
    live.show(lambda panel, found: seen.append(found[0].profile), "path")
    assert seen == ["laptop"]


def test_many_marks_become_pixels(project, shown):
    run = start()
    measure(run)
    run.show(lambda panel, found: panel.subplots().scatter(range(2001), range(2001)), "path")
    assert set(shown[0]) == {"image/png", "text/plain"}


def test_interactive_figure_needs_no_script_of_its_own(project, shown):
    import plotly.graph_objects as graph

    run = start()
    measure(run)
    run.interact(lambda found: graph.Figure(graph.Scatter(y=[1, 2])), "path")
    html = shown[0]["text/html"]
    assert 'id="inrs-line-path"' in html and "cdn" not in html and len(html) < 20_000


def test_experiment_that_was_not_recorded_cannot_be_shown(project):
    with pytest.raises(InputError, match="no record in this run"):
        start().show(draw, "path")
