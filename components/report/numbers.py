"""Numbers as the page prints them: one way each."""

from __future__ import annotations

MISSING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def print_score(value: float | None) -> str:
    """``62.4``"""
    return MISSING if value is None else f"{value:.1f}".replace("-", MINUS)


def print_gain(value: float | None) -> str:
    """``+3.2``, or with a true minus sign; what rounds to nothing is ``+0.0`` from either side."""
    return MISSING if value is None else f"{round(value, 1) + 0.0:+.1f}".replace("-", MINUS)


def print_range(low: float | None, high: float | None, signed: bool = False) -> str:
    """``58.1 to 66.0``; nothing where there are no bounds."""
    if low is None or high is None:
        return ""
    form = print_gain if signed else print_score
    return f"{form(low)} to {form(high)}"


def print_count(value: int) -> str:
    """``12,345``"""
    return f"{value:,}"


def print_rounded(value: int) -> str:
    """``123,456``, and from a million on ``12.3 million``"""
    for power, word in ((9, "billion"), (6, "million")):
        if value >= 0.9995 * 10**power:
            return f"{value / 10**power:.3g} {word}"
    return print_count(value)


def print_share(part: float, whole: float, digits: int = 1) -> str:
    """``3.4 %``; ``under 0.1 %`` for what would round to nothing."""
    if not whole:
        return MISSING
    share, least = 100 * part / whole, 10**-digits
    return f"under {least:g} %" if 0 < share < least / 2 else f"{share:.{digits}f} %"


def print_bytes(num_bytes: int) -> str:
    """``4.2 MB``"""
    value = float(num_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
