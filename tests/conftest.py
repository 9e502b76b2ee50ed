"""Set before the library is imported: one thread, and shapes and types checked at run time."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))  # for helpers.py, typechecking.py

import pytest
import torch
from jaxtyping import config as checks
from jaxtyping import install_import_hook

install_import_hook("onebasin", "typechecking.checked")
torch.set_num_threads(1)

from tinybook import commit, project  # noqa: F401  (fixtures of the house)
from toybook import library, toys  # noqa: F401


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of tests that give wrong types or shapes on purpose."""
    config.addinivalue_line("markers", "bad_input: run without type checks, as users do")


@pytest.fixture(autouse=True)
def _as_users_do(request: pytest.FixtureRequest) -> Iterator[None]:
    """Without the run-time checks, so that the library's own errors are seen."""
    marked = request.node.get_closest_marker("bad_input") is not None
    checks.update("jaxtyping_disable", marked)
    yield
    checks.update("jaxtyping_disable", False)
