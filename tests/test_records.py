"""Records: traceable, repeatable, small, and refused when they are not what was written."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import signal
import subprocess
import sys

import numpy as np
import pytest

from onebasin import files, records
from onebasin.errors import CorruptFileError, InputError, RunError
from onebasin.records import Metric, Record

ARRAYS = {"curve": np.linspace(0, 1, 50), "index": np.arange(3)}


def example(**changes) -> Record:
    fields = {
        "kind": "measurement",
        "chapter": "inrs/line",
        "experiment": "path",
        "method": "weight",
        "profile": "smoke",
        "params": {"profile": "smoke", "width": 64, "shapes": ["mug"]},
        "seeds": (0, 1, 2),
        "metrics": {"barrier": Metric((0.1, 1 / 3, 5e-324), "nats", ("a", "a", "b"))},
        "created": "2026-01-01T00:00:00+00:00",
        "commit": "f" * 40,
        "dirty": False,
        "versions": {"torch": "2"},
        "device": "cpu",
        "threads": 1,
        "precision": "highest",
        "peak_memory_mb": {"process": 1.0},
        "seconds": {"chapter": 2.0, "experiment": None, "excludes": "imports"},
        "data": ({"name": "a.npz", "sha256": "0" * 64, "note": "lossy copy"},),
        "recipes": ({"name": "r", "key": "0" * 16, "seconds": 3.0},),
        "sources": {"src/onebasin/seeds.py": "0" * 16},
    }
    return Record(**{**fields, **changes})


def with_arrays(**changes) -> Record:
    marks = {name: records.array_mark(value) for name, value in ARRAYS.items()}
    return example(arrays=marks, held=ARRAYS, **changes)


def test_save_and_load_are_bit_equal(tmp_path):
    record = with_arrays()
    path = records.save(record, tmp_path)
    assert path == tmp_path / "smoke" / "inrs" / "line" / "path.weight.json"
    loaded = records.load(path)
    assert loaded.metrics == record.metrics and loaded.id == record.id
    assert dataclasses.replace(loaded, path=None) == record
    for name, value in loaded.load_arrays().items():
        assert value.dtype == ARRAYS[name].dtype and np.array_equal(value, ARRAYS[name])


def test_saving_twice_gives_equal_bytes(tmp_path):
    for name in ("one", "two"):
        records.save(with_arrays(), tmp_path / name)
    for end in ("json", "npz"):
        one, two = sorted(tmp_path.rglob(f"*.{end}"))
        assert one.read_bytes() == two.read_bytes()


def test_values_that_are_not_finite_survive(tmp_path):
    metric = Metric((math.inf, -math.inf, math.nan), "nats")
    path = records.save(example(metrics={"barrier": metric}), tmp_path)
    values = records.load(path).values("barrier")
    assert values[0] == math.inf and values[1] == -math.inf and np.isnan(values[2])
    assert "NaN" not in path.read_text()


def _cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def _edit(path):
    path.write_text(path.read_text().replace("0.1", "0.2"))


def _drop(path):
    content = json.loads(path.read_text())
    content.pop("seeds")
    path.write_text(json.dumps(content))


def _list(path):
    path.write_text("[1, 2]")


def _binary(path):
    path.write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize("damage", [_cut, _edit, _drop, _list, _binary])
def test_damaged_or_edited_record_is_refused_with_the_remedy(tmp_path, damage):
    path = records.save(example(), tmp_path)
    damage(path)
    with pytest.raises(CorruptFileError, match=r"path\.weight\.json.*run its chapter again"):
        records.load(path)


@pytest.mark.parametrize("damage", ["missing", "flip", "cut", "other"])
def test_damaged_arrays_are_refused(tmp_path, damage):
    path = records.save(with_arrays(), tmp_path)
    beside = path.with_suffix(".npz")
    content = bytearray(beside.read_bytes())
    content[60] ^= 255
    if damage == "missing":
        beside.unlink()
    elif damage == "other":
        beside.write_bytes(records.pack({"curve": np.zeros(3), "index": np.arange(3)}))
    else:
        beside.write_bytes(content if damage == "flip" else content[:-30])
    with pytest.raises(CorruptFileError, match="npz"):
        records.load(path).load_arrays()


def test_arrays_over_the_limit_are_refused_and_name_the_size(tmp_path):
    big = {"noise": np.random.default_rng(0).random(60_000)}
    marks = {"noise": records.array_mark(big["noise"])}
    with pytest.raises(InputError, match=r"take 4\d\d kB, at most 300"):
        records.save(example(arrays=marks, held=big), tmp_path)
    assert not list(tmp_path.rglob("*.json"))


def test_objects_are_no_arrays():
    with pytest.raises(InputError, match="not objects"):
        records.pack({"x": np.array([object()])})


def test_record_without_arrays_removes_those_of_its_forerunner(tmp_path):
    path = records.save(with_arrays(), tmp_path)
    records.save(example(), tmp_path)
    assert not path.with_suffix(".npz").exists()
    assert records.load(path).load_arrays() == {}


def test_full_disk_keeps_the_record_that_was_there(tmp_path, monkeypatch):
    path = records.save(example(), tmp_path)
    before = path.read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RunError, match="no space left"):
        records.save(example(seeds=(9,)), tmp_path)
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1


KILLED = """
import os, sys, time
from pathlib import Path
from onebasin import files

def hang(handle):
    print("writing", flush=True)
    time.sleep(60)

files.os.fsync = hang
files.write(Path(sys.argv[1]), b"half")
"""


def test_kill_in_the_middle_of_a_write_keeps_the_record_that_was_there(tmp_path):
    path = records.save(example(), tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert records.load(path) == dataclasses.replace(example(), path=path)
    assert [one.id for one in records.find(root=tmp_path)] == [example().id]


def test_find_filters_sorts_and_prefers_the_first_root(tmp_path):
    live, recorded = tmp_path / "live", tmp_path / "results"
    for method in ("weight", "none"):
        records.save(example(method=method), live)
    records.save(example(seeds=(7,)), recorded)
    records.save(example(profile="gpu"), recorded)
    records.save(example(experiment="a.b"), recorded)
    roots = [live, recorded]
    found = records.find(root=roots)
    names = [(one.profile, one.experiment, one.method) for one in found]
    assert names == [
        ("gpu", "path", "weight"),
        ("smoke", "a.b", "weight"),
        ("smoke", "path", "none"),
        ("smoke", "path", "weight"),
    ]
    assert found[-1].seeds == (0, 1, 2)
    assert len(records.find(experiment="a.b", root=roots)) == 1
    assert len(records.find(profile="gpu", root=roots)) == 1
    assert len(records.find(method="none", chapter="inrs/line", root=roots)) == 1
    assert records.find(chapter="inrs/other", root=roots) == []
    assert records.find(root=tmp_path / "nowhere") == []


def test_unknown_metric_is_named():
    with pytest.raises(InputError, match=r"'loss'.*barrier"):
        example().values("loss")


def test_id_changes_with_any_content_but_not_with_what_it_replaces():
    base = example()
    for change in ({"seeds": (1,)}, {"commit": "0" * 40}, {"device": "other"}, {"threads": 2}):
        assert example(**change).id != base.id
    assert example(replaces="123456789abc").id == base.id


def test_digest_covers_what_was_measured_and_nothing_else():
    base = records.digest([example()])
    assert base[1] == 3
    same = {"created": "later", "commit": None, "threads": 4, "versions": {}, "sources": {}}
    assert records.digest([example(**same)]) == base
    bit = Metric((0.1, np.nextafter(1 / 3, 1), 5e-324), "nats", ("a", "a", "b"))
    others = ({"metrics": {"barrier": bit}}, {"seeds": (0, 1)}, {"params": {}}, {"method": "none"})
    for change in (*others, {"arrays": {"curve": "0" * 16}}, {"outcome": {"verdict": "x"}}):
        assert records.digest([example(**change)])[0] != base[0]


def test_digest_leaves_times_out():
    def timed(seconds: float):
        times = {"weight": records.Metric((seconds,), records.TIME)}
        return example(metrics={**example().metrics, **times})

    assert records.digest([timed(1.0)]) == records.digest([timed(2.0)])


def test_digest_does_not_depend_on_the_order_of_records():
    two = [example(), example(method="none")]
    assert records.digest(two) == records.digest(two[::-1])
