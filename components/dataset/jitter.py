"""Detection's view of an image: flipped, enlarged and cropped, its boxes with it.

Method: large-scale jitter (arXiv 2012.07177) as OFA's transforms.py has it, with the scales of its
pretraining: at 1 and more the crop lies inside the image, and nothing is padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from components.records import Box

LARGEST_SCALE = 1.5


@dataclass(frozen=True)
class View:
    """(side, side, 3) uint8, and the objects that are in it: boxes in its pixels, and labels."""

    pixels: np.ndarray
    objects: list[tuple[Box, str]]


def flip_and_jitter(
    image: Image.Image,
    objects: Sequence[tuple[Box, str]],
    side: int,
    rng: np.random.Generator,
) -> View:
    """Half of the time mirrored; the short side 1 to 1.5 times ``side``; a square cut at random.

    Boxes are clipped to the square; an object of which nothing is left is no object of the view.
    """
    if rng.random() < 0.5:
        image = ImageOps.mirror(image)
        objects = [
            ([image.width - x1, y0, image.width - x0, y1], n) for (x0, y0, x1, y1), n in objects
        ]
    shortest = round(side * rng.uniform(1.0, LARGEST_SCALE))
    scale = shortest / min(image.size)
    width, height = (max(round(length * scale), shortest) for length in image.size)
    left, top = (int(rng.integers(length - side + 1)) for length in (width, height))
    enlarged = image.resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(enlarged.crop((left, top, left + side, top + side)))
    scales = (width / image.width, height / image.height)
    moved = [(_move(box, scales, (left, top), side), name) for box, name in objects]
    return View(pixels, [(box, name) for box, name in moved if box[2] > box[0] and box[3] > box[1]])


def _move(box: Box, scales: tuple[float, float], corner: tuple[int, int], side: int) -> Box:
    return [
        min(max(value * scales[axis] - corner[axis], 0.0), float(side))
        for value, axis in zip(box, (0, 1, 0, 1), strict=True)
    ]
