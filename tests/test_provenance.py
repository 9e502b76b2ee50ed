"""Provenance: fingerprints of code, commits, loaded sources."""

from __future__ import annotations

import subprocess
import sys

import pytest

from onebasin import paths, provenance

CODE = '"""Module."""\n\nx = "ä"  # remark\n\n\n'
CODE += 'def f(a):\n    """Doc\n    more."""\n    return a  # é\n'


@pytest.mark.parametrize(
    "same",
    [
        'x = "ä"\n\n\ndef f(a):\n    return a\n',
        '# %% [markdown]\n# Prose.\nx = "ä"\ndef f(a):\n    """Other."""\n    return a\n',
        CODE.replace("\n\n\n", "\n# other\n"),
    ],
)
def test_prose_does_not_change_a_fingerprint(same):
    assert provenance.fingerprint(CODE) == provenance.fingerprint(same)


@pytest.mark.parametrize(
    "other",
    [
        CODE.replace("return a", "return -a"),
        CODE.replace('"ä"', '"# ä"'),
        CODE.replace("    return", "  return"),
        CODE + 'y = """Doc."""\n',
        "not python (",
    ],
)
def test_code_does(other):
    assert provenance.fingerprint(CODE) != provenance.fingerprint(other)


def test_every_source_of_the_library_has_a_fingerprint_of_its_own():
    marks = {}
    for path in sorted(paths.PACKAGE.rglob("*.py")):
        marks.setdefault(provenance.fingerprint(path.read_text(encoding="utf8")), []).append(path)
    empty = provenance.fingerprint("")
    assert [paths for mark, paths in marks.items() if len(paths) > 1 and mark != empty] == []


def test_commit_and_dirt(project, commit):
    head, dirty = provenance.commit()
    assert len(head) == 40 and dirty is False
    (project / "results").mkdir()
    (project / "results" / "x.json").write_text("{}")
    assert provenance.commit() == (head, False)
    (project / "new.py").write_text("")
    assert provenance.commit() == (head, True)


def test_commit_without_history_is_unknown_or_named(project, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    assert provenance.commit() == (None, None)
    monkeypatch.setenv("ONEBASIN_COMMIT", "abc-dirty")
    assert provenance.commit() == ("abc", True)
    monkeypatch.setenv("ONEBASIN_COMMIT", "abc")
    assert provenance.commit() == ("abc", False)


def test_git_that_is_missing_is_no_error(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project))
    assert provenance.git("status") is None


def test_only_loaded_files_are_listed():
    script = (
        "from onebasin import provenance, seeds\n"
        "names = list(provenance.loaded_sources())\n"
        "assert 'src/onebasin/seeds.py' in names and 'src/onebasin/__init__.py' in names\n"
        "assert not [name for name in names if 'matching' in name or 'plotting' in name], names\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_drawing_cannot_move_numbers_but_matching_can():
    assert not provenance.can_move_numbers("src/onebasin/plotting/style.py")
    for name in ("matching/weight.py", "intervals.py", "rules.py", "data/packs.py"):
        assert provenance.can_move_numbers(f"src/onebasin/{name}")
    assert provenance.can_move_numbers("notebooks/inrs/line.py")


def test_machine_and_versions_are_filled():
    machine = provenance.machine("cpu")
    assert machine["device"] == "cpu" and machine["threads"] >= 1
    assert machine["peak_memory_mb"]["process"] > 10
    assert {"python", "torch", "numpy", "scipy"} <= set(provenance.versions())
