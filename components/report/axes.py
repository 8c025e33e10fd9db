"""Axes: round ticks, and where a value lies in a panel."""

from __future__ import annotations

import math

from components.config import Params

PANEL_WIDTH, PANEL_HEIGHT = 300, 150
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 8, 22


def round_ticks(low: float, high: float, num: int = 4) -> list[float]:
    """About ``num`` round numbers from ``low`` to ``high``, the ends inside the first and last."""
    span = high - low
    # Values that are all alike get an axis of width 1 around them.
    raw = (span if span > 1e-6 * max(1.0, abs(high)) else 1.0) / num
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, max(last, first + 1) + 1)]


def print_tick(value: float) -> str:
    """A tick without needless zeros."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def size_strength(params: Params, size: str) -> int:
    """0..3: the largest size is drawn strongest."""
    sizes = params.sizes
    place = sizes.index(size) if size in sizes else 0
    return max(0, 3 - (len(sizes) - 1 - place))


def scale_down(value: float, ticks: list[float]) -> float:
    """Where a value lies from the top of a panel, on the axis of these ticks."""
    share = (value - ticks[0]) / (ticks[-1] - ticks[0])
    return round(PANEL_HEIGHT - BOTTOM - (PANEL_HEIGHT - TOP - BOTTOM) * share, 1)
