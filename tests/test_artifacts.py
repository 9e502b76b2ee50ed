"""Artifacts: made once, whole or not at all, shared by processes, and never trusted blindly."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from onebasin import artifacts, files, paths
from onebasin.artifacts import Recipe, make
from onebasin.errors import CorruptFileError, InputError, RunError, SliceEnd

RECIPE = Recipe("sums", {"width": 3}, {"a.npz": "0" * 64}, [{"part": k} for k in range(3)])


def build(settings):
    return {
        "matrix": torch.full((2, settings["width"]), float(settings["part"])),
        "half": torch.tensor([1.5], dtype=torch.bfloat16),
        "scalar": torch.tensor(7),
        "empty": torch.zeros(0, 3),
        "flags": torch.tensor([True, False]),
    }


def test_round_trip_keeps_every_bit_type_and_shape(tmp_path):
    artifact = make(RECIPE, build, store=tmp_path)
    assert artifact.made == len(artifact) == 3
    for index, shard in enumerate(artifact):
        wanted = build({"width": 3, "part": index})
        assert shard.keys() == wanted.keys()
        for name, value in wanted.items():
            assert shard[name].dtype == value.dtype and torch.equal(shard[name], value)


def test_second_call_makes_nothing_and_may_find_a_read_only_store(tmp_path):
    first = make(RECIPE, build, store=tmp_path)
    before = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    again = make(RECIPE, lambda settings: pytest.fail("was made again"), store=tmp_path)
    assert again.made == 0 and again.made_seconds == 0
    assert again.shard_seconds == first.shard_seconds and again.device == first.device
    assert before == {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}


@pytest.mark.parametrize(
    "other",
    [
        Recipe("sums", {"width": 4}, RECIPE.data, RECIPE.shards),
        Recipe("sums", {"width": 3}, {"a.npz": "1" * 64}, RECIPE.shards),
        Recipe("sums", {"width": 3}, RECIPE.data, RECIPE.shards[:2]),
        Recipe("sums", {"width": 3}, RECIPE.data, RECIPE.shards, version=2),
        Recipe("other", {"width": 3}, RECIPE.data, RECIPE.shards),
    ],
)
def test_whatever_decides_the_content_decides_the_key(other):
    assert other.key != RECIPE.key


def test_budget_and_order_of_settings_do_not_change_the_key():
    one = Recipe("sums", {"a": 1, "b": 2}, budget_seconds=1)
    assert one.key == Recipe("sums", {"b": 2, "a": 1}, budget_seconds=2).key


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other"])
def test_damaged_shard_is_made_again_with_a_warning(tmp_path, damage):
    artifact = make(RECIPE, build, store=tmp_path)
    path = artifact.folder / "001.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(
        {"flip": content, "cut": content[:-9], "empty": b"", "other": b"x" * 99}[damage]
    )
    with pytest.raises(CorruptFileError, match="delete it"):
        artifact.load(1)
    with pytest.warns(RuntimeWarning, match=r"001\.safetensors.*damaged"):
        repaired = make(RECIPE, build, store=tmp_path)
    assert repaired.made == 1
    assert torch.equal(repaired.load(1)["matrix"], torch.ones(2, 3))


def test_full_disk_is_one_sentence_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    make(Recipe("sums", {"width": 3}, shards=RECIPE.shards[:1]), build, store=tmp_path)
    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RunError, match=r"no space left on the disk.*ONEBASIN_STORE"):
        make(RECIPE, build, store=tmp_path)
    left = [path.name for path in (tmp_path / "sums" / RECIPE.key).iterdir()]
    assert left == []
    monkeypatch.undo()
    assert make(RECIPE, build, store=tmp_path).made == 3


def test_other_errors_of_the_system_are_not_renamed(tmp_path, monkeypatch):
    def broken(handle):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files.os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        make(RECIPE, build, store=tmp_path)


def test_interrupt_keeps_finished_shards(tmp_path):
    def stopped(settings):
        if settings["part"] == 2:
            raise KeyboardInterrupt
        return build(settings)

    with pytest.raises(KeyboardInterrupt):
        make(RECIPE, stopped, store=tmp_path)
    assert make(RECIPE, build, store=tmp_path).made == 1


def test_deadline_stops_between_shards_and_the_next_slice_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("ONEBASIN_DEADLINE", repr(time.time() + 0.25))

    def slow(settings):
        time.sleep(0.15)
        return build(settings)

    with pytest.raises(SliceEnd, match="run again"):
        make(RECIPE, slow, store=tmp_path)
    stored = sorted((tmp_path / "sums" / RECIPE.key).glob("*.safetensors"))
    assert 1 <= len(stored) < 3
    monkeypatch.delenv("ONEBASIN_DEADLINE")
    assert make(RECIPE, build, store=tmp_path).made == 3 - len(stored)


def test_passed_deadline_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("ONEBASIN_DEADLINE", repr(time.time() - 1))
    with pytest.raises(SliceEnd):
        make(RECIPE, lambda settings: pytest.fail("started"), store=tmp_path)


KILLED = """
import sys, time, torch
from pathlib import Path
from onebasin import files
from onebasin.artifacts import Recipe, make

def build(settings):
    return {"matrix": torch.full((2, 3), float(settings["part"]))}

def hang(handle):
    print("writing", flush=True)
    time.sleep(60)

def on_shard(index, total, seconds):
    files.os.fsync = hang  # from now on a write stops half-way

recipe = Recipe("sums", {"width": 3}, shards=[{"part": k} for k in range(3)])
make(recipe, build, store=Path(sys.argv[1]), on_shard=on_shard)
"""


def test_kill_in_the_middle_of_a_write_loses_nothing_and_locks_nothing(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    recipe = Recipe("sums", {"width": 3}, shards=RECIPE.shards)
    folder = tmp_path / "sums" / recipe.key
    assert list(folder.glob(".*.part")), "the test did not kill inside a write"
    assert (folder / "001.lock").exists()
    artifact = make(recipe, build, store=tmp_path)
    assert artifact.made == 2
    assert [float(shard["matrix"][0, 0]) for shard in artifact] == [0, 1, 2]
    left = sorted(path.name for path in folder.iterdir())
    assert left == ["000.safetensors", "001.safetensors", "002.safetensors", "recipe.json"]


def _maker(store: str, log: str) -> None:
    def slow(settings):
        with Path(log).open("a") as file:
            file.write(f"{settings['part']} {os.getpid()}\n")
        time.sleep(0.1)
        return build({**settings, "width": 3})

    make(Recipe("shared", {}, shards=[{"part": k} for k in range(6)]), slow, store=Path(store))


def test_two_makers_share_the_shards_and_do_none_twice(tmp_path):
    log = tmp_path / "log"
    log.touch()
    context = multiprocessing.get_context("spawn")
    makers = [context.Process(target=_maker, args=(str(tmp_path), str(log))) for _ in range(2)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(60)
        assert maker.exitcode == 0
    parts = [line.split()[0] for line in log.read_text().splitlines()]
    assert sorted(parts) == ["0", "1", "2", "3", "4", "5"]


def test_summary_and_inventory_tell_seconds_and_budget(tmp_path):
    recipe = Recipe("sums", {"width": 3}, shards=RECIPE.shards, budget_seconds=60)
    artifact = make(recipe, build, store=tmp_path)
    (only,) = artifacts.inventory(tmp_path)
    assert only["key"] == recipe.key and only["budget_seconds"] == 60
    times = [float(only["made"][str(k)]["seconds"]) for k in range(3)]
    assert times == list(artifact.shard_seconds) and sum(times) == artifact.seconds
    assert only["made"]["0"]["torch"] == torch.__version__
    assert json.dumps(only)


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "a/b", "params": {}},
        {"name": "", "params": {}},
        {"name": "a", "params": {"x": torch.zeros(1)}},
        {"name": "a", "params": {"x": float("nan")}},
        {"name": "a", "params": {}, "shards": []},
    ],
)
def test_impossible_recipes_are_refused(arguments):
    with pytest.raises(InputError):
        Recipe(**arguments)


@pytest.mark.bad_input
@pytest.mark.parametrize("result", [{}, {"x": [1, 2]}])
def test_build_without_tensors_is_an_error(tmp_path, result):
    with pytest.raises(RunError, match="no tensors"):
        make(RECIPE, lambda settings: result, store=tmp_path)


def test_store_is_named_by_the_environment_or_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("ONEBASIN_STORE", str(tmp_path))
    assert artifacts.store_folder() == tmp_path
    monkeypatch.delenv("ONEBASIN_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert artifacts.store_folder() == tmp_path / "cache" / "onebasin"


def test_every_recipe_of_the_library_declares_its_kind():
    source = paths.PACKAGE
    files = [p for p in source.rglob("*.py") if "artifacts.Recipe(NAME" in p.read_text("utf8")]
    names = {
        re.search(r'^NAME = "(.*)"$', path.read_text("utf8"), re.MULTILINE)[1] for path in files
    }
    assert names >= {"inr-pairs", "hyper-matching", "image-classifiers"}
    assert names == set(artifacts.kinds())


def test_kinds_are_declared_once():
    kind = artifacts.declare("test-kind", "nothing", budget_seconds=5)
    try:
        assert artifacts.kinds()["test-kind"] == kind
        assert artifacts.declare("test-kind", "nothing", budget_seconds=5) == kind
        with pytest.raises(InputError, match="declared already"):
            artifacts.declare("test-kind", "something else")
    finally:
        artifacts.KINDS.pop("test-kind")
