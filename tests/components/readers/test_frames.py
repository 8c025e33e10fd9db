"""Frames become one picture in their order, and a frame that is bad is named."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from components.readers.frames import MAX_FRAMES, choose_frames, lay_out
from components.readers.images import BadImage, decode_rgb


def encode(shade: int, width: int = 6, height: int = 4) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (width, height), shade).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(("num", "grid"), [(1, (1, 1)), (2, (2, 1)), (4, (2, 2)), (5, (3, 2))])
def test_frames_stand_row_by_row(num: int, grid: tuple[int, int]) -> None:
    shades = [40 * (i + 1) for i in range(num)]
    columns, rows = grid
    sheet = np.asarray(decode_rgb(lay_out([encode(s) for s in shades], 1000)))
    assert sheet.shape == (4 * rows, 6 * columns, 3)
    cells = sheet.reshape(rows, 4, columns, 6, 3).swapaxes(1, 2).reshape(rows * columns, -1)
    assert [int(cell.min()) for cell in cells] == [*shades, *[0] * (rows * columns - num)]
    assert all(cell.min() == cell.max() for cell in cells)


def test_frames_of_other_sizes_take_the_first_ones() -> None:
    assert decode_rgb(lay_out([encode(10), encode(20, 12, 8)], 1000)).size == (12, 4)


@pytest.mark.parametrize("num", [0, 1, MAX_FRAMES, MAX_FRAMES + 1, 40, 1000])
def test_of_many_frames_the_evenly_spaced_are_shown(num: int) -> None:
    chosen = choose_frames(num)
    assert len(chosen) == min(num, MAX_FRAMES) == len(set(chosen))
    assert chosen == sorted(chosen)
    if num:
        assert (chosen[0], chosen[-1]) == (0, num - 1)
    gaps = np.diff(chosen)
    assert not len(gaps) or gaps.max() - gaps.min() <= 1


def test_a_bad_frame_is_named() -> None:
    with pytest.raises(BadImage) as caught:
        lay_out([encode(1), b"no image"], 1000)
    assert caught.value.detail.startswith("frame 2 of 2")
    with pytest.raises(BadImage, match="frame 1 of 1"):
        lay_out([encode(1, 100, 100)], 1000)
