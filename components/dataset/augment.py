"""RandAugment: a few operations drawn at random, all of one strength (arXiv 1909.13719).

The operations are the ten of OFA's pretraining, which keep colours (an image's hue is evidence in
pathology), and their strengths those of the TensorFlow code that accompanies the paper: magnitude
10 turns by 30 degrees, shears by 0.3 and shifts by a tenth of the side. Where that moves the image,
the uncovered part is grey.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

NUM_OPERATIONS, MAGNITUDE, LARGEST = 2, 7, 10
GREY = (128, 128, 128)
Operation = Callable[[Image.Image, float], Image.Image]
Augment = Literal["none", "rand"]


def rand_augment(
    pixels: np.ndarray,
    rng: np.random.Generator,
    num_operations: int = NUM_OPERATIONS,
    magnitude: int = MAGNITUDE,
) -> np.ndarray:
    """The image, (H, W, 3) uint8, after operations drawn with replacement; strengths in 0..10."""
    image = Image.fromarray(pixels)
    for index in rng.integers(len(OPERATIONS), size=num_operations):
        strength = magnitude / LARGEST * (1 if rng.random() < 0.5 else -1)
        image = OPERATIONS[index](image, strength)
    return np.asarray(image)


def _move(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=GREY
    )


def _enhance(kind: type[ImageEnhance.Brightness] | type[ImageEnhance.Sharpness]) -> Operation:
    # The code of the paper draws no sign here: strength 0..1 is a factor of 0.1 to 1.9.
    return lambda image, strength: kind(image).enhance(0.1 + 1.8 * abs(strength))


OPERATIONS: tuple[Operation, ...] = (
    lambda image, _: image,
    lambda image, _: ImageOps.autocontrast(image),
    lambda image, _: ImageOps.equalize(image),
    _enhance(ImageEnhance.Brightness),
    _enhance(ImageEnhance.Sharpness),
    lambda image, strength: _move(image, (1, 0.3 * strength, 0, 0, 1, 0)),
    lambda image, strength: _move(image, (1, 0, 0, 0.3 * strength, 1, 0)),
    lambda image, strength: _move(image, (1, 0, 0.1 * strength * image.width, 0, 1, 0)),
    lambda image, strength: _move(image, (1, 0, 0, 0, 1, 0.1 * strength * image.height)),
    lambda image, strength: image.rotate(30 * strength, Image.Resampling.BILINEAR, fillcolor=GREY),
)
