"""Boxes as location bins: the reference's rounding over 512 pixels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.tokenization.boxes import MAX_IMAGE_PX, box_bins


@pytest.mark.parametrize(
    ("box", "bins"),
    [
        ([0.0, 0.0, 512.0, 512.0], [0, 0, 999, 999]),
        ([128.0, 256.0, 384.0, 100.0], [250, 500, 749, 195]),
        ([-3.0, 600.0, 0.2, 511.9], [0, 999, 0, 999]),
    ],
)
def test_pixels_to_bins(box: list[float], bins: list[int]) -> None:
    assert box_bins(box, 1000) == bins


@given(st.lists(st.floats(0, 512), min_size=4, max_size=4), st.integers(2, 1000))
def test_back_to_pixels_within_half_a_bin(box: list[float], num_bins: int) -> None:
    restored = [index / (num_bins - 1) * MAX_IMAGE_PX for index in box_bins(box, num_bins)]
    half = MAX_IMAGE_PX / (num_bins - 1) / 2
    assert all(abs(a - b) <= half + 1e-9 for a, b in zip(box, restored, strict=True))
