"""Importing a package loads what is used of it and nothing else; every name has one home."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import onebasin
from onebasin import lazy, matching, registry
from onebasin.errors import InputError

PACKAGES = ["", ".connectivity", ".matching", ".merging", ".networks", ".shapes", ".symmetry"]


def loaded_by(code: str) -> set[str]:
    """Modules of the library that a fresh Python has loaded after some code."""
    show = "import sys; print(*[n for n in sys.modules if n.startswith('onebasin.')])"
    command = [sys.executable, "-c", f"{code}\n{show}"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return {name.removeprefix("onebasin.") for name in done.stdout.split()}


def test_a_matcher_loads_what_it_needs_only():
    found = loaded_by("from onebasin.matching import weight_match")
    assert {"matching.weight", "matching.descent", "symmetry.permutation"} <= found
    spared = ("activation", "capture", "dihedral", "phases", "straight_through", "steepest")
    assert not found & {f"matching.{name}" for name in spared}
    assert not found & {"symmetry.deriving", "symmetry.tracing", "symmetry.rules"}
    assert not [name for name in found if name.startswith(("networks", "connectivity", "shapes"))]


def test_the_registry_loads_the_module_of_the_method_only():
    found = loaded_by("from onebasin import registry; assert registry.get('none').match")
    assert "matching.identity" in found
    assert not found & {"matching.weight", "matching.activation", "matching.dihedral"}
    assert "matching" not in loaded_by("from onebasin import registry; registry.get('same')")


def test_packages_alone_load_next_to_nothing():
    code = "import onebasin.symmetry, onebasin.networks, onebasin.merging, onebasin.shapes"
    assert loaded_by(code) == {"lazy", "symmetry", "networks", "merging", "shapes"}
    assert loaded_by("from onebasin import apply") >= {"symmetry.action"}


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_the_same_to_readers_to_type_checkers_and_at_run_time(package):
    module = importlib.import_module(f"onebasin{package}")
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf8"))
    typed = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        for alias in node.names
    }
    (call,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "(__getattr__, __dir__)"
    ]
    homes = ast.literal_eval(call.args[1])
    where = {name: f"onebasin{package}.{home}" for home, inside in homes.items() for name in inside}
    assert typed == where
    assert set(where) <= set(module.__all__) == {n for n in module.__all__ if hasattr(module, n)}
    for name, home in where.items():
        assert getattr(module, name) is getattr(importlib.import_module(home), name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = module.nothing
    inside = {one.name for one in pkgutil.iter_modules(module.__path__)}
    assert not inside & set(where)


def test_a_name_cannot_have_two_homes_or_be_that_of_a_module():
    for homes in ({"a": ["x"], "b": ["x"]}, {"a": ["b"], "b": ["y"]}):
        with pytest.raises(ValueError, match="two homes"):
            lazy.names("package", homes)


def test_the_package_lists_its_names():
    assert set(onebasin.__all__) <= set(dir(onebasin)) and "align" in dir(onebasin)
    assert "weight_match" in dir(matching)


def test_methods_come_in_one_order_whatever_was_loaded_first():
    expected = ["activation", "sign", "sign + phase", "none", "phase", "weight", "straight-through"]
    code = (
        "import onebasin.matching.weight\nfrom onebasin import registry\n"
        f"assert list(registry.matchers()) == {expected!r}\n"
        "assert list(registry.methods()) == registry.names()\n"
    )
    assert "matching.straight_through" in loaded_by(code)
    assert [name for name in registry.names() if name in expected] == expected
    with pytest.raises(InputError, match=r"\['activation', 'hyper-matching'"):
        registry.get("nothing")


def test_every_registered_method_has_a_home():
    package = importlib.import_module("onebasin.matching")
    for one in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"onebasin.matching.{one.name}")
    known = {name for name in registry.METHODS if "toy" not in name}
    assert known == {*registry.methods()}
    for name, module in registry._HOMES.items():
        assert registry.get(name).match.__module__ == module
