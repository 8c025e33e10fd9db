"""Boxes as location bins (model of OFA: coordinates over a fixed image size)."""

from __future__ import annotations

from collections.abc import Sequence

MAX_IMAGE_PX = 512


def box_bins(box: Sequence[float], num_bins: int) -> list[int]:
    """Bins of x0, y0, x1, y1 in pixels of the transformed image, clipped to the last bin."""
    bins = [round(value / MAX_IMAGE_PX * (num_bins - 1)) for value in box]
    return [min(max(index, 0), num_bins - 1) for index in bins]
