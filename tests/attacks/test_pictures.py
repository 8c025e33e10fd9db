"""Pictures that claim more than they hold, in every format, on every way in."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.errors import UserError
from components.readers.dicom import read_dicom_png
from components.readers.images import BadImage, check_image
from components.serving import pictures as served
from components.web.limits import Limits
from components.web.pictures import read_picture
from components.web.refusals import Refusal
from tests.components.readers.test_dicom import write
from tests.fuzz.contract import limited_memory

SIDE, MAX_PIXELS = 60_000, 25_000_000


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(*more: bytes, side: int = SIDE) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + body


def encode(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def tiff() -> bytes:
    """One strip, and a width and height of 60,000."""
    tags = ((256, SIDE), (257, SIDE), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (279, 9))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def gif() -> bytes:
    small = encode("GIF")
    return small[:6] + struct.pack("<HH", SIDE, SIDE) + small[10:]


def bmp() -> bytes:
    small = encode("BMP")
    return small[:18] + struct.pack("<ii", SIDE, SIDE) + small[26:]


BOMBS: dict[str, Callable[[], bytes]] = {"png": png, "tiff": tiff, "gif": gif, "bmp": bmp}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_claim_of_gigapixels_is_refused_before_it_is_decoded(kind: str) -> None:
    content = BOMBS[kind]()
    with limited_memory():
        with pytest.raises(BadImage, match="too-many-pixels"):
            check_image(content, MAX_PIXELS)
        with pytest.raises(UserError, match="cannot be read"):
            served.read_picture(content)
        with pytest.raises(Refusal):
            read_picture(content, Limits())


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP", b"iTXt"])
def test_a_text_within_a_picture_is_not_unfolded(name: bytes) -> None:
    packed = zlib.compress(bytes(200 << 20), 9)
    before = b"a\0\1\0\0\0" if name == b"iTXt" else b"a\0\0"
    content = png(chunk(name, before + packed), side=4)
    with limited_memory(), pytest.raises(BadImage):
        check_image(content, MAX_PIXELS)


def test_a_million_frames_cost_as_much_as_one() -> None:
    frame = encode("GIF")
    start = frame.index(b",")  # of the first image's block
    content = frame[:start] + frame[start:-1] * 20_000 + b";"
    with limited_memory():
        assert check_image(content, MAX_PIXELS).width == 8


@pytest.mark.parametrize(
    "claims",
    [{"Rows": 65_535, "Columns": 65_535}, {"NumberOfFrames": 2**31 - 1}, {"BitsAllocated": 64}],
    ids=str,
)
def test_a_dicom_file_that_claims_more_than_it_holds_is_refused(
    tmp_path: Path, claims: dict[str, int]
) -> None:
    content = write(tmp_path / "a.dcm", **claims).read_bytes()
    with limited_memory():
        with pytest.raises(BadImage):
            read_dicom_png(content, "middle", max_pixels=MAX_PIXELS)
        with pytest.raises(Refusal):
            read_picture(content, Limits())
