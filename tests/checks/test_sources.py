"""Limits of modules and functions, exactly at the limit and one over."""

from __future__ import annotations

from onebasin.checks import sources


def function(lines: int, first: str = "    x = 1") -> str:
    return "\n".join(["def long():", '    """Words."""', first, *["    x = 1"] * (lines - 1)])


def test_modules_have_400_lines_at_most() -> None:
    assert sources.complaints("m.py", "x = 1\n" * 400) == []
    assert sources.complaints("m.py", "x = 1\n" * 401) == ["m.py: 401 lines, at most 400"]


def test_bodies_have_40_lines_at_most_unless_a_comment_says_why() -> None:
    assert sources.complaints("m.py", function(40)) == []
    assert sources.complaints("m.py", function(41)) == ["m.py:1: long has 41 lines, at most 40"]
    excused = function(41, "    x = 1  # long: one solver loop")
    assert sources.complaints("m.py", excused) == []
