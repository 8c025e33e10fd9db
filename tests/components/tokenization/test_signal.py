"""Signals become bins: in order, without their scale, in range whatever they are."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.tokenization.signal import LIMIT, quantize_signal

numbers = st.floats(-1e12, 1e12, allow_subnormal=False)
TINY = 1e-290  # a quarter of such, or of their mean, would be rounded
scalable = st.floats(-100, 100).filter(lambda value: not value or abs(value) > TINY)


@given(st.lists(numbers, max_size=40), st.integers(2, 1000))
def test_bins_are_in_range_and_keep_the_order(values: list[float], num_bins: int) -> None:
    bins = quantize_signal(values, num_bins)
    assert len(bins) == len(values) and all(0 <= b < num_bins for b in bins)
    ordered = sorted(zip(values, bins, strict=True))
    assert [b for _, b in ordered] == sorted(bins)


@given(st.lists(scalable, min_size=1, max_size=20), st.sampled_from([0.25, 2.0, 64.0]))
def test_the_scale_is_lost(values: list[float], factor: float) -> None:
    """By powers of two, so that rounding is none."""
    assert quantize_signal(values, 1000) == quantize_signal([factor * v for v in values], 1000)


def test_values_by_hand() -> None:
    assert quantize_signal([0.0, 0.0], 1000) == [500, 500]
    assert quantize_signal([1.0, 1.0], 1000) == [533, 533]  # (1 + 15) / 30 of a thousand
    assert quantize_signal([-1.0, 1.0, 1.0, 1.0], 30) == [14, 16, 16, 16]
    spike = [0.0] * 99 + [1.0]
    assert quantize_signal(spike, 1000)[-1] == 999  # 100 times the mean, beyond LIMIT
    assert np.isclose(LIMIT, 15)
    assert quantize_signal([], 1000) == []
