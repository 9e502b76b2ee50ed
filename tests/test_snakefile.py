"""The Snakefile: its graph of chapters, profiles and seeds, and a real run (extra cluster)."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import toybook
from toybook import ToyBook

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("snakemake") is None,
        reason="needs snakemake: pip install -c constraints.txt -e '.[cluster]'",
    ),
]


@pytest.fixture
def toys(tmp_path: Path) -> ToyBook:
    toys = toybook.make(tmp_path, toybook.copy_library(tmp_path / "library"))
    shutil.copy(ROOT / "Snakefile", toys.root)
    toys.chapter("one")
    seeded = toys.chapter("two")
    text = seeded.read_text().replace("size = 3", "size = 3\nseed = 0")
    seeded.write_text(text.replace("size=size)", "size=size, seed=seed)"))
    return toys


def snakemake(toys: ToyBook, *arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "-c2", *arguments]
    environment = {**os.environ, **toys.environment}
    done = subprocess.run(command, cwd=toys.root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_graph_has_every_chapter_profile_and_seed(toys: ToyBook) -> None:
    said = snakemake(toys, "-n", "--config", "profiles=smoke,laptop", "seeds=0,1,2")
    assert said.count("rule chapter:") == 2 * 2
    assert said.count("rule seed:") == 2 * 3, "only the chapter that has a seed"


def test_a_real_run_makes_the_records_of_the_book_and_of_each_seed(toys: ToyBook) -> None:
    flags = ["--config", "seeds=0,1", "plain=yes"]
    snakemake(toys, *flags)
    build = toys.root / "_build"
    inside = "records/smoke/toy/two/squares.none.json"
    for folder, seed in (
        (build, 0),
        (build / "variants/seed-0", 0),
        (build / "variants/seed-1", 1),
    ):
        assert json.loads((folder / inside).read_text())["params"]["seed"] == seed
    assert (build / "records/smoke/toy/one/squares.none.json").is_file()
    assert "Nothing to be done" in snakemake(toys, *flags)
