"""Detection's views: boxes stay around what they were drawn around."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from components.dataset.jitter import flip_and_jitter

SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(40, 120)


def paint(width: int, height: int, box: tuple[int, int, int, int]) -> Image.Image:
    """A white rectangle on black."""
    pixels = np.zeros((height, width, 3), np.uint8)
    left, top, right, bottom = box
    pixels[top:bottom, left:right] = 255
    return Image.fromarray(pixels)


@given(SIDES, SIDES, SEEDS)
@settings(deadline=None)
def test_a_box_frames_its_object_in_every_view(width: int, height: int, seed: int) -> None:
    box = (width // 4, height // 5, width // 4 + 12, height // 5 + 9)
    image = paint(width, height, box)
    objects = [([float(value) for value in box], "rib")]
    view = flip_and_jitter(image, objects, 64, np.random.default_rng(seed))
    rows, columns = np.nonzero(view.pixels[..., 0] > 127)
    assert view.pixels.shape == (64, 64, 3)
    if not view.objects:
        assert rows.size <= 64  # at most an edge that rounding left
        return
    ((left, top, right, bottom), name), *others = view.objects
    assert (name, others) == ("rib", [])
    assert min(left, top) >= 0 and max(right, bottom) <= 64
    if rows.size:
        seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert (
            np.abs(np.subtract(seen, (left, top, right, bottom))).max() < 1.6
        )  # a slice's edge is blurred


def test_scales_reach_from_one_to_one_and_a_half_and_half_are_mirrored() -> None:
    image = paint(100, 50, (0, 0, 20, 50))
    widths, mirrored = [], 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        mirrored += np.random.default_rng(seed).random() < 0.5
        ((whole, _),) = flip_and_jitter(image, [([0.0, 0.0, 100.0, 50.0], "all")], 40, rng).objects
        assert whole == pytest.approx([0, 0, 40, 40])
        rng = np.random.default_rng(seed)
        view = flip_and_jitter(image, [([40.0, 20.0, 50.0, 30.0], "part")], 40, rng)
        widths += [box[2] - box[0] for box, _ in view.objects if box[0] > 0 and box[2] < 40]
    assert min(widths) == pytest.approx(8.0, abs=0.3)  # 10 of 100 px, the short side 40 px
    assert max(widths) == pytest.approx(12.0, abs=0.3)
    assert 160 < mirrored < 240


def test_what_is_cut_off_is_no_object_of_the_view() -> None:
    image = paint(200, 40, (0, 0, 1, 1))
    corners = [([0.0, 0.0, 4.0, 40.0], "left"), ([196.0, 0.0, 200.0, 40.0], "right")]
    shown = [
        {name for _, name in flip_and_jitter(image, corners, 40, np.random.default_rng(s)).objects}
        for s in range(100)
    ]
    assert all(len(names) < 2 for names in shown)  # five squares wide: both ends are never seen
    assert {"left"} in shown and {"right"} in shown and set() in shown


def test_the_random_numbers_decide_alone() -> None:
    image = paint(64, 48, (3, 3, 30, 30))
    views = [flip_and_jitter(image, [], 32, np.random.default_rng(5)).pixels for _ in range(2)]
    assert np.array_equal(*views)
