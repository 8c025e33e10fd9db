"""RandAugment changes what is seen, by seed alone, and neither size nor what it was given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from components.dataset.augment import OPERATIONS, rand_augment


def make_pixels(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """A ramp with a bright square off its middle, and some noise: every operation shows in it."""
    pixels = np.random.default_rng(seed).integers(40, 60, (height, width, 3), dtype=np.uint8)
    pixels += np.linspace(0, 90, width, dtype=np.uint8)[None, :, None]
    pixels[height // 6 : height // 2, width // 8 : width // 2] = 200
    return pixels


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 999), st.integers(0, 10))
def test_any_image_keeps_its_shape_and_follows_the_seed(
    height: int, width: int, seed: int, magnitude: int
) -> None:
    pixels = make_pixels(48, 64)[:height, :width]
    before = pixels.copy()
    first, again = (
        rand_augment(pixels, np.random.default_rng(seed), magnitude=magnitude) for _ in range(2)
    )
    assert first.shape == pixels.shape and first.dtype == np.uint8
    assert np.array_equal(first, again) and np.array_equal(pixels, before)


def test_seeds_give_many_views() -> None:
    views = {rand_augment(make_pixels(), np.random.default_rng(s)).tobytes() for s in range(60)}
    assert len(views) > 40


@pytest.mark.parametrize("index", range(1, len(OPERATIONS)))
def test_every_operation_but_the_first_does_something(index: int) -> None:
    image = Image.fromarray(make_pixels())
    changed = OPERATIONS[index](image, 0.7)
    assert changed.size == image.size and changed.mode == "RGB"
    assert changed.tobytes() != image.tobytes()
    assert OPERATIONS[0](image, 0.7).tobytes() == image.tobytes()


@pytest.mark.parametrize(("index", "axis", "by"), [(7, 1, 6.4), (8, 0, 4.8)])
def test_a_shift_is_a_tenth_of_the_side_at_full_strength(index: int, axis: int, by: float) -> None:
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[20:28, 28:36] = 255

    def middle(of: np.ndarray) -> float:
        weight = (of[..., 0] > 200).sum(1 - axis)
        return float(np.average(np.arange(len(weight)), weights=weight))

    for sign in (1, -1):
        moved = np.asarray(OPERATIONS[index](Image.fromarray(pixels), 1.0 * sign))
        assert middle(pixels) - middle(moved) == pytest.approx(sign * by, abs=0.6)


def test_uncovered_parts_are_grey() -> None:
    white = Image.new("RGB", (40, 40), (255, 255, 255))
    for index in (5, 6, 7, 8, 9):
        changed = np.asarray(OPERATIONS[index](white, 1.0))
        assert changed.min() in range(126, 131) and changed.max() == 255
