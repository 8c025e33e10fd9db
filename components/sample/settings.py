"""How much of the sample world to make."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """Images per vision set, records per text set, side of an image in pixels, and the seed."""

    num_images: int
    num_texts: int
    image_px: int
    seed: int
