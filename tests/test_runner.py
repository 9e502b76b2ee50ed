"""The runner: what is repeated and what is not, failures, kills, slices."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

import toybook
from toybook import ToyBook, alive, wait_for


def outputs(path: Path) -> str:
    """All text that an executed copy shows."""
    cells = json.loads(path.read_text())["cells"]
    return "".join(str(cell.get("outputs", "")) for cell in cells)


@pytest.mark.slow
def test_a_notebook_run_is_not_repeated_until_something_changes(toys: ToyBook) -> None:
    path = toys.chapter("one")
    code, said = toys.run("run")
    assert code == 0 and "toy/one (smoke): done" in said
    copy = toys.executed("one")
    assert "digest toy/one" in outputs(copy)
    assert json.loads(copy.read_text())["metadata"]["onebasin"]["parameters"]["size"] == 3

    before = copy.read_bytes()
    assert "1 unchanged" in toys.run("run")[1]
    assert copy.read_bytes() == before

    path.write_text(path.read_text().replace("The first words.", "Other words."))
    assert "1 prose updated" in toys.run("run")[1]
    assert "Other words." in copy.read_text() and "digest toy/one" in outputs(copy)

    assert "1 done" in toys.run("run", "--set", "size=4")[1]
    assert "4 values" in outputs(copy)
    said = toys.run("run", "--dry-run")[1]
    assert "would run: parameters changed" in said

    path.write_text(path.read_text().replace("k * k", "k * k * k"))
    code, said = toys.run("run", "--dry-run", "--set", "size=4")
    assert code == 0 and "would run: code changed" in said


@pytest.mark.slow
def test_a_failing_notebook_shows_its_cell_and_the_others_go_on(toys: ToyBook) -> None:
    path = toys.chapter("bad", "total = size\ntotal / 0  # never")
    toys.chapter("good")
    code, said = toys.run("run")
    assert code == 1
    line = path.read_text().splitlines().index("total = size") + 1
    assert f"a cell of notebooks/toy/bad.py, line {line} failed" in said
    assert "total / 0  # never" in said and "ZeroDivisionError" in said
    assert "toy/good (smoke): done" in said and "1 failed" in said and "1 done" in said
    assert not toys.executed("bad").exists() and toys.executed("good").exists()
    assert (toys.root / "_build" / "failed" / "smoke" / "toy" / "bad.ipynb").is_file()


def test_plain_run_writes_the_same_records_and_no_notebook(toys: ToyBook) -> None:
    toys.chapter("one", "class Pair:\n    values = (size, size)")
    assert toys.run("run", "--plain", "--set", "size=5")[0] == 0
    held = toys.root / "_build" / "records" / "smoke" / "toy" / "one" / "squares.none.json"
    assert json.loads(held.read_text())["metrics"]["square"]["values"] == [0, 1, 4, 9, 16]
    assert not toys.executed("one").exists()
    assert "1 unchanged" in toys.run("run", "--plain", "--set", "size=5")[1]
    assert "no executed copy" in toys.run("run", "--dry-run", "--set", "size=5")[1]


def test_plain_failure_shows_the_line_of_the_source(toys: ToyBook) -> None:
    path = toys.chapter("bad", "def inner():\n    raise RuntimeError('broken on purpose')\ninner()")
    code, said = toys.run("run", "--plain")
    line = path.read_text().splitlines().index("inner()") + 1
    assert code == 1
    assert f"line {line}, in <module>" in said and "broken on purpose" in said


def test_a_dying_process_is_a_failure_with_its_code(toys: ToyBook) -> None:
    toys.chapter("bad", "import os\nos._exit(9)")
    code, said = toys.run("run", "--plain")
    assert code == 1
    assert "the process of toy/bad ended with code 9 before it was done" in said


def test_a_chapter_that_records_nothing_is_a_failure(toys: ToyBook) -> None:
    path = toys.chapter("bad")
    path.write_text(path.read_text().replace("run.finish()", "pass"))
    code, said = toys.run("run", "--plain")
    assert code == 1
    assert "chapter toy/bad left no records" in said


def test_only_a_change_of_loaded_code_repeats_a_run(tmp_path: Path) -> None:
    library = toybook.copy_library(tmp_path / "library") / "onebasin"
    toys = toybook.make(tmp_path, library.parent)
    toys.chapter("one")
    assert toys.run("run", "--plain")[0] == 0

    loaded, other = library / "intervals.py", library / "shapes" / "udf.py"
    loaded.write_text(loaded.read_text() + "\n# a comment\n")
    other.write_text(other.read_text() + "\nUNUSED = 1\n")
    assert "1 unchanged" in toys.run("run", "--plain")[1]

    loaded.write_text(loaded.read_text() + "\nUNUSED = 1\n")
    code, said = toys.run("run", "--plain")
    assert code == 0
    assert "running (intervals.py changed)" in said and "1 done" in said


@pytest.mark.parametrize("harm", ["lost", "cut short"])
def test_lost_or_damaged_records_are_made_again(toys: ToyBook, harm: str) -> None:
    toys.chapter("one")
    assert toys.run("run", "--plain")[0] == 0
    held = toys.root / "_build" / "records" / "smoke" / "toy" / "one" / "squares.none.json"
    before = json.loads(held.read_text())["metrics"]
    if harm == "lost":
        held.unlink()
    else:
        held.write_text(held.read_text()[:100])
    assert "records are gone" in toys.run("status")[1]
    assert "records are gone" in toys.run("run", "--plain")[1]
    assert json.loads(held.read_text())["metrics"] == before


WAITS = """\
import os, time
from pathlib import Path
Path("{pid}").write_text(str(os.getpid()))
while not Path("{go}").exists():
    time.sleep(0.05)"""


@pytest.mark.parametrize("plain", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_run_leaves_no_process_and_goes_on(
    toys: ToyBook, tmp_path: Path, how: signal.Signals, plain: bool
) -> None:
    pid, go = tmp_path / "pid", tmp_path / "go"
    toys.chapter("a")
    toys.chapter("b", WAITS.format(pid=pid, go=go))
    flags = ["run", "-j", "1", *(["--plain"] if plain else [])]
    process = toys.start(*flags)
    wait_for(lambda: pid.is_file() and bool(pid.read_text()), "the second chapter waits")
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode == (-9 if how is signal.SIGKILL else 130)
    worker = int(pid.read_text())
    wait_for(lambda: not alive(worker), "the chapter's process is gone", 30)

    go.touch()
    code, said = toys.run(*flags)
    assert code == 0
    assert "toy/a (smoke): unchanged" in said and "toy/b (smoke): done" in said


SHARDS = """\
import time
from pathlib import Path
import torch
from onebasin import artifacts
def build(settings):
    with Path("{log}").open("a") as log:
        log.write(str(settings["shard"]))
    time.sleep(2.0)
    return {{"value": torch.ones(1)}}
recipe = artifacts.Recipe("toy", {{}}, shards=[{{"shard": k}} for k in range(3)])
artifact = run.recipe(artifacts.make(recipe, build))"""


@pytest.mark.slow
@pytest.mark.parametrize("plain", [True, False])
def test_slices_end_with_75_and_go_on_where_they_stopped(
    toys: ToyBook, tmp_path: Path, plain: bool
) -> None:
    log = tmp_path / "log"
    toys.chapter("one", SHARDS.format(log=log))
    toys.chapter("two")
    flags = ["run", "-j", "1", *(["--plain"] if plain else []), "--slice-seconds"]
    codes = []
    while not codes or codes[-1] == 75:
        code, said = toys.run(*flags, str(4 * 2 ** len(codes)))  # a busy machine starts slowly
        codes.append(code)
        assert len(codes) < 8, said
    assert codes[0] == 75 and codes[-1] == 0
    assert log.read_text() == "012", "every shard is made once, in order"


def test_two_runners_do_the_work_once(toys: ToyBook, tmp_path: Path) -> None:
    log = tmp_path / "log"
    toys.chapter("one", f"import time\nopen({str(log)!r}, 'a').write('x')\ntime.sleep(1)")
    both = [toys.start("run", "--plain") for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert log.read_text() == "x"
    assert sorted("unchanged" in one for one in said) == [False, True]


def test_variants_are_kept_apart(toys: ToyBook) -> None:
    toys.chapter("one")
    assert toys.run("run", "--plain")[0] == 0
    assert toys.run("run", "--plain", "--variant", "five", "--set", "size=5")[0] == 0
    inside = "records/smoke/toy/one/squares.none.json"
    own, apart = toys.root / "_build" / inside, toys.root / "_build" / "variants" / "five" / inside
    sizes = [len(json.loads(path.read_text())["seeds"]) for path in (own, apart)]
    assert sizes == [3, 5]
    assert "1 unchanged" in toys.run("run", "--plain")[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--profile", "lptop"], "did you mean 'laptop'?"),
        (["toy/onn"], "did you mean 'toy/one'?"),
        (["--set", "sise=3"], "did you mean 'size'?"),
        (["--set", "size=many"], "must be a whole number like 3"),
        (["--set", "size"], "write it as NAME=VALUE"),
        (["-j", "0"], "must be positive"),
        (["--variant", "a/b"], "usable as a folder name"),
    ],
)
def test_wrong_input_ends_with_2_and_a_remedy(
    toys: ToyBook, arguments: list[str], words: str
) -> None:
    toys.chapter("one")
    code, said = toys.run("run", *arguments)
    assert code == 2
    assert words in said
    assert "Traceback" not in said
