"""Pictures of every kind are read; a bad one is named, with what is wrong and what to do."""

from __future__ import annotations

import errno
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.errors import UserError
from components.sample.dicom import encode_dicom
from components.serving.pictures import list_pictures, read_picture
from tests.components.serving.small import draw


def huge_png() -> bytes:
    """A whole PNG whose head says 30,000 x 30,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


DICOM = encode_dicom(np.arange(64, dtype=np.uint8).reshape(8, 8), {}, "1.2.3")


@pytest.mark.parametrize(
    ("name", "content", "why", "advice"),
    [
        ("x.png", b"these are words, no picture", "unknown-image-format", "give a whole PNG"),
        ("x.png", b"", "empty-image", "give a whole PNG"),
        ("x.png", draw(0)[:200], "broken-image", "give a whole PNG"),
        ("x.png", huge_png(), "too-many-pixels", "give a smaller one"),
        ("x.dcm", b"these are words, no DICOM", "not-dicom", "or DICOM file"),
        ("x.dcm", DICOM[:-40], "broken-image", "or DICOM file"),
        ("x", DICOM[:200], "not-dicom", "or DICOM file"),
    ],
)
def test_a_bad_picture_is_named(
    tmp_path: Path, name: str, content: bytes, why: str, advice: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read") as caught:
        read_picture(path)
    assert str(path) in caught.value.what and why in caught.value.why
    assert advice in caught.value.next_command


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.png", tmp_path):
        with pytest.raises(UserError, match="there is no image"):
            read_picture(path)
    with pytest.raises(UserError, match="there is no folder"):
        list_pictures(tmp_path / "absent")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="holds no image") as caught:
        list_pictures(tmp_path)
    assert "none of its 1 entries" in caught.value.why


def test_a_link_to_nothing_and_a_pipe_are_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    os.mkfifo(tmp_path / "b.png")
    (tmp_path / "folder.png").mkdir()
    listed = list_pictures(tmp_path)
    assert [path.name for path in listed] == ["a.png", "b.png"]
    for path in listed:
        with pytest.raises(UserError, match=f"there is no image .*{path.name}"):
            read_picture(path)


@pytest.mark.parametrize("name", ["film.dcm", "IM0001"])
def test_dicom_is_read_by_name_or_by_mark(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(DICOM)
    shown = Image.open(io.BytesIO(read_picture(path)))
    assert shown.size == (8, 8) and shown.format == "PNG"
    assert read_picture(DICOM) == read_picture(path)


def test_one_of_several_frames_is_asked_for() -> None:
    pixels = np.zeros((8, 8), np.uint8)
    several = encode_dicom(
        pixels, {0x00280008: ("IS", "2"), 0x7FE00010: ("OW", b"\1\0" * 128)}, "1"
    )
    with pytest.raises(UserError, match="cannot be read") as caught:
        read_picture(several)
    assert "--frame" in caught.value.next_command
    assert read_picture(several, "middle")


def test_burned_in_text_is_no_reason_here() -> None:
    flagged = encode_dicom(np.eye(8, dtype=np.uint8), {0x00280301: ("CS", "YES")}, "1.2")
    assert read_picture(flagged)


def test_a_file_that_may_not_be_opened_is_named_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / "film.png", Path.read_bytes
    path.write_bytes(draw(0))

    def refuse(self: Path) -> bytes:
        if self == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UserError, match=r"film\.png cannot be read") as caught:
        read_picture(path)
    assert caught.value.why == "Permission denied"
