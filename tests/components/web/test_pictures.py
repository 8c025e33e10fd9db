"""Uploads: what passes is what the model is given, and nothing else breaks the door."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.dataset.images import draw_square
from components.readers.dicom import DEFLATED
from components.sample.dicom import encode_dicom
from components.web.limits import Limits
from components.web.pictures import PREAMBLE, read_picture, show_picture, shrink
from components.web.refusals import Refusal

LIMITS = Limits(image_pixels=10_000)


def encode(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from(["PNG", "JPEG", "TIFF"]))
def test_the_model_is_given_the_same_pixels_as_without_the_server(
    width: int, height: int, kind: str
) -> None:
    pixels = np.random.default_rng(width * 91 + height).integers(0, 255, (height, width, 3))
    content = encode(pixels.astype(np.uint8), kind)
    given_ = shrink(read_picture(content, LIMITS), 32)
    assert np.array_equal(draw_square(given_, 32), draw_square(content, 32))


@given(st.binary(max_size=400), st.sampled_from([b"", b"\0" * PREAMBLE + b"DICM"]))
def test_bytes_that_are_no_image_are_refused_in_words(content: bytes, start: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read_picture(start + content, LIMITS)
    assert caught.value.message.endswith(".") and caught.value.next_step


@given(st.integers(0, 20_000), st.integers(0, 255))
def test_a_dicom_file_with_a_changed_byte_is_read_or_refused(place: int, value: int) -> None:
    pixels = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    content = bytearray(encode_dicom(pixels, {}, "1.2.3"))
    content[place % len(content)] = value
    try:
        picture = read_picture(bytes(content), LIMITS)
    except Refusal as refusal:
        assert refusal.next_step
        return
    assert picture.width * picture.height <= LIMITS.image_pixels


def test_limits_are_of_bytes_and_of_pixels_also_of_dicom() -> None:
    with pytest.raises(Refusal, match=r"0\.0 MB are|at most"):
        read_picture(b"x" * 11, Limits(image_bytes=10))
    with pytest.raises(Refusal, match="too many pixels"):
        read_picture(encode(np.zeros((101, 100, 3), np.uint8)), LIMITS)
    large = encode_dicom(np.zeros((101, 100), np.uint8), {}, "1.2.3")
    with pytest.raises(Refusal, match="too many pixels"):
        read_picture(large, LIMITS)


def test_a_large_dicom_file_that_may_be_deflated_is_refused() -> None:
    plain = encode_dicom(np.zeros((1024, 1024), np.uint8), {}, "1.2.3")
    assert read_picture(plain, Limits()).width == 1024
    with pytest.raises(Refusal, match="compressed in a way"):
        read_picture(plain + DEFLATED, Limits())


def test_a_large_image_is_shown_smaller() -> None:
    picture = read_picture(encode(np.zeros((1500, 2000, 3), np.uint8)), Limits())
    assert (picture.width, picture.height) == (2000, 1500)
    assert len(show_picture(picture)) < 100_000
