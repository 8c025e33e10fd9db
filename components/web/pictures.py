"""Uploaded images: told from what they hold, never from their names, and kept in memory alone."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from components.dataset.images import draw_square
from components.readers.dicom import read_dicom_png
from components.readers.images import FORMATS, BadImage, check_image, decode_rgb
from components.web.limits import Limits
from components.web.refusals import Refusal

PREAMBLE, MARK = 128, b"DICM"
SHOWN_PX = 1024  # longest side of what the page shows
TAKEN = f"{', '.join(FORMATS)} or DICOM"
REFUSED = {
    "empty-image": ("unfit", "The image is an empty file.", "Choose a file that holds an image."),
    "unknown-image-format": (
        "wrong-type", "The file is no image that can be read.", f"Choose a {TAKEN} file.",
    ),
    "broken-image": (
        "wrong-type", "The image is damaged or cut short.", "Save or export it again.",
    ),
    "no-finite-values": ("wrong-type", "The image holds no numbers.", "Export it again."),
    "not-dicom": ("wrong-type", "The DICOM file is damaged.", "Export it again, or as a PNG."),
    "no-pixels": (
        "wrong-type", "The DICOM file holds no image (it may be a report or a plan).",
        "Choose a file of the series that holds one.",
    ),
    "unsupported-compression": (
        "wrong-type", "The DICOM file is compressed in a way that is not read here.",
        "Export it uncompressed, or as a PNG.",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that was checked: encoded, with its format and its size in pixels."""

    content: bytes
    format: str
    width: int
    height: int


def read_picture(content: bytes, limits: Limits) -> Picture:
    """Check an upload in full; Refusal where it cannot be used.

    A DICOM file becomes a PNG of its frame, the middle one where it has several. Text that is
    burned into it is no reason to refuse it here, since nothing is kept.
    """
    if len(content) > limits.image_bytes:
        most, has = limits.image_bytes / 1e6, len(content) / 1e6
        raise Refusal(
            "too-large", f"The image has {has:.1f} MB; at most {most:.0f} MB are taken.",
            "Export it smaller: the model sees far fewer pixels anyway.",
        )  # fmt: skip
    is_dicom = content[PREAMBLE : PREAMBLE + len(MARK)] == MARK
    try:
        if is_dicom:
            content = read_dicom_png(
                content, frame="middle", keep_burned_in=True, max_pixels=limits.image_pixels
            )
        facts = check_image(content, limits.image_pixels)
    except BadImage as bad:
        raise _refuse(bad, limits) from None
    return Picture(content, "DICOM" if is_dicom else facts.format, facts.width, facts.height)


def _refuse(bad: BadImage, limits: Limits) -> Refusal:
    if bad.reason == "too-many-pixels":
        most = limits.image_pixels // 1_000_000
        size = bad.detail.split(",")[0]
        return Refusal(
            "too-large", f"The image has too many pixels ({size}); at most {most} million are "
            "taken.", "Make it smaller, or cut out the part that matters.",
        )  # fmt: skip
    return Refusal(*REFUSED.get(bad.reason, REFUSED["broken-image"]))


def shrink(picture: Picture, image_px: int) -> bytes:
    """What the model is given, (image_px, image_px) as a PNG: reading it again changes nothing."""
    return encode_png(draw_square(picture.content, image_px))


def encode_png(pixels: np.ndarray) -> bytes:
    """(H, W, 3) uint8 as a PNG, written quickly."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def show_picture(picture: Picture) -> str:
    """The whole image for a page, at most SHOWN_PX on its longer side, as a data URL."""
    image = decode_rgb(picture.content)
    image.thumbnail((SHOWN_PX, SHOWN_PX))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return data_url(buffer.getvalue())


def data_url(png: bytes) -> str:
    """A PNG as an address that a page can show."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
