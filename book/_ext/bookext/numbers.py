"""Numbers as the book prints them: digits set by the interval, a true minus, no false precision."""

from __future__ import annotations

import math

MISSING = "not run"


def decimals(width: float) -> int:
    """Decimal places at which an interval of this width shows two digits."""
    if not math.isfinite(width) or width <= 0:
        return 3
    return max(0, 1 - math.floor(math.log10(width)))


def number(value: float | None, places: int | None = None) -> str:
    """One number: ``places`` decimals, else three digits; with an exponent outside 1e-4 … 1e6."""
    if value is None:
        return MISSING
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "not a number")
    if value == int(value) and abs(value) < 1e6 and places is None:
        return sign(f"{int(value):,}".replace(",", "\u202f"))
    size = abs(value)
    if size and not 1e-4 <= size < 1e6:
        mantissa, exponent = f"{value:.2e}".split("e")
        return sign(f"{mantissa}·10{superscript(int(exponent))}")
    if places is None:
        places = max(1, 2 - math.floor(math.log10(size))) if size else 0
    return sign(f"{value:.{min(places, 8)}f}")


def sign(text: str) -> str:
    """The same text with typographic minus signs."""
    return text.replace("-", "−")


def superscript(exponent: int) -> str:
    """An exponent in raised digits."""
    return sign(str(exponent)).translate(str.maketrans("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))


def interval(value: float | None, lo: float | None, hi: float | None) -> tuple[str, str]:
    """A value and its interval in brackets, both at the digits that the interval supports.

    Returns:
        Two texts; the second is empty where nothing varies.
    """
    if value is None or lo is None or hi is None or not hi > lo:
        return number(value), ""
    sizes = [abs(x) for x in (value, lo, hi) if x]
    if not all(math.isfinite(x) for x in (lo, hi, value)) or not all(
        1e-4 <= s < 1e6 for s in sizes
    ):
        return number(value), f"[{number(lo)}, {number(hi)}]"
    places = decimals(hi - lo)
    return number(value, places), f"[{number(lo, places)}, {number(hi, places)}]"


def duration(seconds: float | None) -> str:
    """A time for people: ``4.2 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds is None:
        return MISSING
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def memory(size: float | None) -> str:
    """A number of bytes for people."""
    if size is None:
        return MISSING
    if size >= 2**30:
        return f"{size / 2**30:.1f} GiB"
    return f"{size / 2**20:.0f} MiB" if size >= 10 * 2**20 else f"{size / 2**20:.1f} MiB"
