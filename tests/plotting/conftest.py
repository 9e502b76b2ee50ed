"""What every test of a figure draws on."""

from __future__ import annotations

import pytest

from onebasin.plotting import styled


@pytest.fixture
def figure():
    """An empty figure in the book's style."""
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    with styled():
        yield Figure(figsize=(6.4, 4.0), layout="constrained")
