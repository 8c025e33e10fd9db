"""Small DICOM files, written element by element: Explicit VR Little Endian, one grey frame."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

EXPLICIT_LITTLE_ENDIAN, SECONDARY_CAPTURE = "1.2.840.10008.1.2.1", "1.2.840.10008.5.1.4.1.1.7"
LONG = ("OB", "OW")  # value representations whose length takes four bytes
Element = tuple[str, str | int | bytes]  # value representation, value


def encode_dicom(
    pixels: npt.NDArray[np.uint8], described: Mapping[int, Element], uid: str
) -> bytes:
    """A file of 16-bit grey with these elements, by tag, and this SOP instance UID."""
    meta = _encode({
        0x00020001: ("OB", b"\0\1"),
        0x00020002: ("UI", SECONDARY_CAPTURE),
        0x00020003: ("UI", uid),
        0x00020010: ("UI", EXPLICIT_LITTLE_ENDIAN),
        0x00020012: ("UI", "1.2.3"),
    })  # fmt: skip
    body = _encode({
        0x00080016: ("UI", SECONDARY_CAPTURE),
        0x00080018: ("UI", uid),
        0x00280002: ("US", 1),
        0x00280004: ("CS", "MONOCHROME2"),
        0x00280010: ("US", pixels.shape[0]),
        0x00280011: ("US", pixels.shape[1]),
        0x00280100: ("US", 16),
        0x00280101: ("US", 16),
        0x00280102: ("US", 15),
        0x00280103: ("US", 0),
        0x7FE00010: ("OW", (pixels.astype("<u2") * 257).tobytes()),
        **described,
    })  # fmt: skip
    length = _encode({0x00020000: ("UL", len(meta))})
    return b"\0" * 128 + b"DICM" + length + meta + body


def _encode(elements: Mapping[int, Element]) -> bytes:
    return b"".join(_encode_element(tag, *elements[tag]) for tag in sorted(elements))


def _encode_element(tag: int, representation: str, value: str | int | bytes) -> bytes:
    if isinstance(value, int):
        content = struct.pack("<I" if representation == "UL" else "<H", value)
    else:
        content = value if isinstance(value, bytes) else value.encode("ascii")
        filler = b" " if representation in ("CS", "LO", "PN") else b"\0"
        content += filler * (len(content) % 2)
    start = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + representation.encode()
    if representation in LONG:
        return start + b"\0\0" + struct.pack("<I", len(content)) + content
    return start + struct.pack("<H", len(content)) + content
