"""The wheel: it builds, and imports in an environment that has the core dependencies only."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import toybook

ROOT = Path(__file__).resolve().parents[1]
HEAVY = [
    "torch",
    "scipy",
    "matplotlib",
    "open3d",
    "plotly",
    "IPython",
    "jupytext",
    "sphinx",
    "mlxtend",
]
IMPORT = f"""
import sys, onebasin
loaded = [name for name in {HEAVY} if name in sys.modules]
assert not loaded, loaded
"""
USE = """
import pathlib, torch, onebasin as ob
assert (pathlib.Path(ob.__file__).parent / "py.typed").is_file()
assert all(getattr(ob, name) is not None for name in ob.__all__)
network = ob.Mlp([5, 8, 8, 3])
ref = {name: value.detach() for name, value in network.state_dict().items()}
sizes, draws = network.spec.sizes(ref), torch.Generator().manual_seed(0)
planted = ob.Permutation.random(network.spec, sizes, draws)
match = ob.weight_match(network.spec, ref, ob.apply(planted, ref))
back = ob.apply(match.element, ob.apply(planted, ref))
assert all(torch.equal(back[name], ref[name]) for name in ref)
"""
ABSENT = ["matplotlib", "open3d", "plotly", "IPython", "sphinx", "mlxtend", "pytest", "pandas"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without the network by the build tools of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    _pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT))
    (path,) = folder.glob("onebasin-*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Python of a new environment with the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("core")
    venv.create(folder, with_pip=True)
    own = str(folder / "bin" / "python")
    _pip(own, "install", "-q", "-c", str(ROOT / "constraints.txt"), str(wheel))
    return own


def _pip(python: str, *arguments: str) -> None:
    done = subprocess.run([python, "-m", "pip", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def _run(python: str, *arguments: str, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [python, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_library_loads_nothing_heavy(tmp_path: Path) -> None:
    _run(sys.executable, "-c", IMPORT, cwd=tmp_path)


@pytest.mark.slow
def test_the_wheel_holds_what_the_library_needs(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"onebasin/py.typed", "onebasin/claims.yml", "onebasin/cli/main.py"} <= set(names)
    assert not [name for name in names if "test" in name or "notebooks" in name]


@pytest.mark.slow
def test_the_wheel_works_with_the_core_dependencies_only(python: str, tmp_path: Path) -> None:
    _run(python, "-c", IMPORT, cwd=tmp_path)
    _run(python, "-c", USE, cwd=tmp_path)
    found = f"import importlib.util as u; print([n for n in {ABSENT} if u.find_spec(n)])"
    assert _run(python, "-c", found, cwd=tmp_path).strip() == "[]"
    assert "Exit codes" in _run(python, "-m", "onebasin", "--help", cwd=tmp_path)
    assert "perm-example" in _run(python, "-m", "onebasin", "ledger", "--json", cwd=ROOT)


@pytest.mark.slow
def test_a_plain_run_needs_the_core_dependencies_only(python: str, tmp_path: Path) -> None:
    toys = toybook.make(tmp_path)
    toys.chapter("one")
    environment = {**os.environ, **toys.environment}
    command = [python, "-m", "onebasin", "run", "--plain"]
    done = subprocess.run(
        command, cwd=toys.root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (toys.root / "_build/records/smoke/toy/one/squares.none.json").is_file()
