"""Pictures of every kind that data sets hold, and files that only claim to be pictures."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.readers.images import BadImage, ImageFacts, check_image, decode_rgb

MAX_PIXELS = 10_000


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def claim_png(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its body does not have."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_facts_of_each_format(kind: str) -> None:
    content = encode(Image.new("L", (7, 5), 9), kind)
    assert check_image(content, MAX_PIXELS) == ImageFacts(kind, 7, 5)
    assert decode_rgb(content).size == (7, 5)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 100, (100, 100, 100)),
        ("1", 1, (255, 255, 255)),
        ("RGB", (1, 2, 3), (1, 2, 3)),
        ("RGBA", (200, 100, 50, 255), (200, 100, 50)),
        ("RGBA", (200, 100, 50, 0), (0, 0, 0)),
        ("LA", (80, 255), (80, 80, 80)),
        ("LA", (80, 0), (0, 0, 0)),
    ],
)
def test_modes_become_rgb_on_black(
    mode: str, colour: int | tuple[int, ...], expected: tuple[int, int, int]
) -> None:
    rgb = decode_rgb(encode(Image.new(mode, (3, 3), colour)))
    assert rgb.mode == "RGB"
    assert rgb.getpixel((1, 1)) == expected


def test_palette_with_transparency_is_laid_on_black() -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    rgb = decode_rgb(encode(image, transparency=1))
    assert [rgb.getpixel((x, 0)) for x in range(2)] == [(10, 20, 30), (0, 0, 0)]


def test_cmyk_jpeg_keeps_its_colour() -> None:
    red = decode_rgb(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    channels = red.getpixel((8, 8))
    assert isinstance(channels, tuple)
    assert channels[0] > 200 and channels[1] < 60 and channels[2] < 60


def test_sixteen_bit_is_scaled_from_its_own_range() -> None:
    values = np.array([[1000, 2000], [3000, 5000]], np.uint16)
    rgb = decode_rgb(encode(Image.fromarray(values)))
    assert [rgb.getpixel(at)[0] for at in ((0, 0), (1, 0), (0, 1), (1, 1))] == [0, 64, 128, 255]
    flat = decode_rgb(encode(Image.fromarray(np.full((2, 2), 700, np.uint16))))
    assert flat.getpixel((0, 0)) == (0, 0, 0)


def test_exif_rotation_is_applied_to_facts_and_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to show
    content = encode(Image.new("RGB", (8, 4), (9, 9, 9)), "JPEG", exif=exif)
    assert check_image(content, MAX_PIXELS) == ImageFacts("JPEG", 4, 8)
    assert decode_rgb(content).size == (4, 8)


def test_first_frame_counts() -> None:
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    content = encode(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    assert decode_rgb(content).getpixel((0, 0)) == (10, 10, 10)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty-image"),
        (b"not a picture at all", "unknown-image-format"),
        (encode(Image.effect_noise((64, 64), 50))[:2000], "broken-image"),
        (encode(Image.effect_noise((64, 64), 50), "JPEG")[:600], "broken-image"),
        (claim_png(101, 100), "too-many-pixels"),
        (claim_png(60_000, 60_000), "too-many-pixels"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unknown-image-format"),
    ],
    ids=["empty", "text", "cut-png", "cut-jpeg", "over-cap", "bomb", "svg"],
)
def test_bad_images_say_why(content: bytes, reason: str) -> None:
    with pytest.raises(BadImage) as raised:
        check_image(content, MAX_PIXELS)
    assert raised.value.reason == reason


@given(st.binary(max_size=200), st.integers(0, 120))
def test_no_bytes_crash_the_check(junk: bytes, cut: int) -> None:
    whole = encode(Image.new("RGB", (6, 6), (1, 2, 3)))
    for content in (junk, whole[:cut] + junk):
        try:
            facts = check_image(content, MAX_PIXELS)
        except BadImage as bad:
            assert bad.reason
        else:
            assert facts.width * facts.height <= MAX_PIXELS
