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


@pytest.mark.parametrize("kind", ["JPEG", "GIF"])
def test_a_comment_reaches_nothing_that_is_made_of_the_picture(kind: str) -> None:
    """Scanners write into it whom a picture shows, and Pillow writes it into the next JPEG."""
    content = encode(Image.new("RGB", (8, 4), (9, 9, 9)), kind, comment=b"QUILL7Q")
    assert b"QUILL7Q" in content
    again = encode(decode_rgb(content), "JPEG")
    assert b"QUILL7Q" not in again


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


def modes_of_one_colour() -> list[tuple[str, str, tuple[int, int, int]]]:
    """Every mode that a file format of ours can hold, with its format and the RGB that it means."""
    red, grey = (200, 50, 30), (93, 93, 93)
    return [
        ("1", "PNG", (255, 255, 255)), ("1", "BMP", (255, 255, 255)), ("1", "TIFF", (255,) * 3),
        ("1", "GIF", (255, 255, 255)), ("L", "PNG", grey), ("L", "JPEG", grey), ("L", "TIFF", grey),
        ("L", "GIF", grey), ("L", "BMP", grey), ("L", "WEBP", grey), ("LA", "PNG", grey),
        ("LA", "TIFF", grey), ("LA", "WEBP", grey), ("P", "PNG", red), ("P", "GIF", red),
        ("P", "BMP", red), ("P", "TIFF", red), ("PA", "TIFF", red), ("RGB", "PNG", red),
        ("RGB", "JPEG", red), ("RGB", "BMP", red), ("RGB", "GIF", red), ("RGB", "WEBP", red),
        ("RGB", "TIFF", red), ("RGBA", "PNG", red), ("RGBA", "TIFF", red), ("RGBA", "WEBP", red),
        ("RGBA", "BMP", red), ("RGBX", "TIFF", red), ("CMYK", "TIFF", red), ("CMYK", "JPEG", red),
        ("YCbCr", "TIFF", red), ("YCbCr", "JPEG", red), ("LAB", "TIFF", red), ("HSV", "WEBP", red),
    ]  # fmt: skip


@pytest.mark.parametrize(("mode", "kind", "expected"), modes_of_one_colour())
def test_every_mode_shows_its_colour(mode: str, kind: str, expected: tuple[int, int, int]) -> None:
    image = Image.new("RGB", (16, 16), (200, 50, 30))
    if mode == "1":
        image = Image.new("RGB", (16, 16), (255, 255, 255))
    if mode in ("P", "PA"):
        image = image.quantize(4)
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    content = encode(image.convert(mode), kind, **options)
    assert check_image(content, MAX_PIXELS).width == 16
    shown = decode_rgb(content)
    assert (shown.mode, shown.size) == ("RGB", (16, 16))
    assert np.abs(np.asarray(shown, np.int16) - expected).max() <= 4


RAMP = [[100, 150], [200, 350]]
RAMP_SHOWN = [[0, 51], [102, 255]]


@pytest.mark.parametrize(
    ("mode", "kind", "dtype"),
    [
        ("I;16", "PNG", "<u2"),
        ("I;16", "TIFF", "<u2"),
        ("I;16B", "PNG", ">u2"),
        ("I;16B", "TIFF", ">u2"),
        ("I", "TIFF", "<i4"),
        ("F", "TIFF", "<f4"),
    ],
)
def test_deep_values_fill_the_range_whatever_their_byte_order(
    mode: str, kind: str, dtype: str
) -> None:
    image = Image.frombytes(mode, (2, 2), np.array(RAMP, dtype).tobytes())
    assert np.asarray(decode_rgb(encode(image, kind)))[..., 0].tolist() == RAMP_SHOWN


@pytest.mark.parametrize("values", [[[-300, -100], [100, 700]], [[-3, -1], [1, 7]]])
def test_negative_values_are_part_of_the_range(values: list[list[int]]) -> None:
    signed = encode(Image.fromarray(np.array(values, np.int32)), "TIFF")
    assert np.asarray(decode_rgb(signed))[..., 1].tolist() == RAMP_SHOWN


@pytest.mark.parametrize(
    ("odd", "shown"), [(np.nan, 0), (np.inf, 255), (-np.inf, 0), (np.float32(3e38), 255)]
)
def test_values_that_are_no_numbers_do_not_stretch_the_range(odd: float, shown: int) -> None:
    values = np.array([[100, odd], [150, 350]], np.float32)
    found = np.asarray(decode_rgb(encode(Image.fromarray(values), "TIFF")))[..., 0].tolist()
    assert found[0][1] == shown
    if not np.isfinite(odd):
        assert found == [[0, shown], [51, 255]]


def test_an_image_without_any_number_is_refused_at_the_check() -> None:
    content = encode(Image.fromarray(np.full((2, 2), np.nan, np.float32)), "TIFF")
    with pytest.raises(BadImage) as raised:
        check_image(content, MAX_PIXELS)
    assert raised.value.reason == "no-finite-values"


def test_deep_files_that_count_from_white_are_turned_over() -> None:
    content = encode(Image.fromarray(np.array(RAMP, np.uint16)), "TIFF", tiffinfo={262: 0})
    assert np.asarray(decode_rgb(content))[..., 0].tolist() == [[255, 204], [153, 0]]


@pytest.mark.parametrize(
    ("image", "transparency"),
    [
        (Image.new("L", (2, 2), 7), 7),
        (Image.new("RGB", (2, 2), (7, 8, 9)), (7, 8, 9)),
        (Image.new("1", (2, 2), 1), 1),
    ],
    ids=["grey", "colour", "bits"],
)
def test_a_colour_that_is_named_transparent_is_laid_on_black(
    image: Image.Image, transparency: object
) -> None:
    shown = decode_rgb(encode(image, transparency=transparency))
    assert shown.getpixel((0, 0)) == (0, 0, 0)


def test_half_transparent_is_half_as_bright() -> None:
    for image in (
        Image.new("RGBA", (2, 2), (200, 100, 50, 128)),
        Image.new("LA", (2, 2), (200, 128)),
    ):
        shown = decode_rgb(encode(image)).getpixel((0, 0))
        assert isinstance(shown, tuple)
        assert shown[0] == 100


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_an_animation_counts(kind: str) -> None:
    frames = [Image.new("RGB", (6, 4), colour) for colour in ((250, 0, 0), (0, 250, 0))]
    content = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(content)) as opened:
        assert getattr(opened, "n_frames", 1) == 2
    assert check_image(content, MAX_PIXELS) == ImageFacts(kind, 6, 4)
    assert np.abs(np.asarray(decode_rgb(content), np.int16) - (250, 0, 0)).max() <= 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, "left top"), (2, "right top"), (3, "right bottom"), (4, "left bottom"),
     (5, "left top"), (6, "right top"), (7, "right bottom"), (8, "left bottom")],
)  # fmt: skip
def test_every_orientation_is_undone(kind: str, orientation: int, corner: str) -> None:
    image = Image.new("L", (32, 16), 0)
    image.paste(255, (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = decode_rgb(encode(image, kind, exif=exif))
    assert shown.size == ((32, 16) if orientation < 5 else (16, 32))
    x = 3 if "left" in corner else shown.width - 4
    y = 3 if "top" in corner else shown.height - 4
    bright = shown.getpixel((x, y))
    assert isinstance(bright, tuple) and bright[0] > 200


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_single_pixel_is_an_image(mode: str) -> None:
    content = encode(Image.new(mode, (1, 1)))
    assert check_image(content, 1) == ImageFacts("PNG", 1, 1)
    assert decode_rgb(content).size == (1, 1)


def test_the_cap_is_named_with_what_was_found() -> None:
    with pytest.raises(BadImage, match="too-many-pixels: 101 x 100, allowed are 10000"):
        check_image(claim_png(101, 100), 10_000)


def test_a_claim_beyond_the_library_s_own_cap_is_told_in_our_words() -> None:
    with pytest.raises(BadImage) as raised:
        check_image(claim_png(60_000, 60_000), 10_000)
    assert raised.value.detail == "more than 178 million"


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
@given(cut=st.floats(0, 1))
def test_a_truncated_file_is_refused_or_whole(kind: str, cut: float) -> None:
    content = encode(Image.effect_noise((40, 40), 60), kind)
    part = content[: int(len(content) * cut)]
    try:
        check_image(part, MAX_PIXELS)
    except BadImage as bad:
        assert bad.reason in ("empty-image", "unknown-image-format", "broken-image")
    else:
        assert decode_rgb(part).size == (40, 40)
