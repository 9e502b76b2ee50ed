"""A second, independent run of every executed chapter, and the equality of all it measured.

nbval executes the notebooks that `onebasin run` left, cell by cell in kernels of its own, with an
empty artifact store and a records folder of its own. It compares the digest lines; here every
metric of the two sets of records is compared as well, bit by bit, times excepted. `make test` runs
it alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from onebasin import compare, keys, paths, profiles, records, runner

CHAPTERS = profiles.chapters()


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, int]:
    """Records folder, output and exit code of the second run."""
    due = {job.chapter: runner.reasons(job) for job in runner.plan([], "smoke")}
    stale = {chapter: why for chapter, why in due.items() if why}
    assert not stale, f"run `onebasin run` first: {stale}"
    folder = tmp_path_factory.mktemp("second")
    notebooks = [str(keys.executed_path(chapter, "smoke")) for chapter in CHAPTERS]
    apart = {"ONEBASIN_STORE": str(folder / "store"), "ONEBASIN_RECORDS": str(folder / "records")}
    flags = ["-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile", "-q"]
    flags += ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "600"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:dash", *flags, *notebooks],
        env={**runner.environment(threads=1), **apart},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return folder / "records", done.stdout + done.stderr, done.returncode


HINT = (
    "If these differ by rounding only: the store may hold artifacts made by older code or by more "
    "threads. Name an empty folder by ONEBASIN_STORE, then `make book` and `make test` again."
)


def test_no_folder_is_shared(second: tuple[Path, str, int]) -> None:
    assert os.environ.get("ONEBASIN_RECORDS") is None, "the first run must be the book's own"
    assert second[0].is_dir()


def test_every_chapter_runs_again_and_prints_the_same_digest(
    second: tuple[Path, str, int],
) -> None:
    assert second[2] == 0, second[1][-8000:]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_all_metrics_are_equal(chapter: str, second: tuple[Path, str, int]) -> None:
    ours = records.find(chapter=chapter, profile="smoke", root=paths.live())
    again = records.find(chapter=chapter, profile="smoke", root=second[0])
    assert ours and len(ours) == len(again)
    moved = [one for one in compare.changes(ours, again) if one.unit != records.TIME]
    lines = [
        f"{one.experiment}.{one.method} {one.metric}: {one.before} -> {one.after}" for one in moved
    ]
    assert not moved, "\n".join([*lines, HINT])
