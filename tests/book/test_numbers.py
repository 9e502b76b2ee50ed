"""Numbers as the book prints them."""

from __future__ import annotations

import math

import pytest

from bookext import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (3, "3"),
        (12345, "12\u202f345"),
        (0.07169, "0.0717"),
        (3499.62, "3499.6"),
        (-0.5, "−0.500"),
        (1.5e-9, "1.50·10⁻⁹"),
        (2.5e8, "2.50·10⁸"),
        (math.inf, "∞"),
        (math.nan, "not a number"),
        (None, "not run"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert numbers.number(value) == text


def test_interval_sets_the_digits() -> None:
    assert numbers.interval(0.12345, 0.1201, 0.1289) == ("0.1235", "[0.1201, 0.1289]")
    assert numbers.interval(12.345, 8.1, 16.9) == ("12.3", "[8.1, 16.9]")
    assert numbers.interval(0.5, 0.5, 0.5) == ("0.500", "")
    assert numbers.interval(None, None, None) == ("not run", "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.14, "3.1 s"), (83.0, "83 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (None, "not run")],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert numbers.duration(seconds) == text


def test_memory() -> None:
    assert numbers.memory(512e6) == "488 MiB"
    assert numbers.memory(3 * 2**30) == "3.0 GiB"
    assert numbers.memory(None) == "not run"
