"""Drawing: every figure of the book is drawn from records by a function in this folder."""

from onebasin.plotting.panels import compare
from onebasin.plotting.style import (
    DIVERGING,
    ENDS,
    SEQUENTIAL,
    SIZE,
    band,
    cut_mark,
    method_style,
    render,
    stamp,
    styled,
)

__all__ = [
    "DIVERGING",
    "ENDS",
    "SEQUENTIAL",
    "SIZE",
    "band",
    "compare",
    "cut_mark",
    "method_style",
    "render",
    "stamp",
    "styled",
]
