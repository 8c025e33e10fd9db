"""Encoded images from anywhere: checked before they are trusted, decoded to RGB in one way.

Only the formats that data sets use are opened, and the pixel count is checked before anything is
decoded, so that a small file cannot claim gigabytes.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


class BadImage(Exception):  # noqa: N818
    """An image that cannot be used: a short reason, and what was found."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Format, and width and height in pixels as the image is shown (after EXIF rotation)."""

    format: str
    width: int
    height: int


def check_image(content: bytes, max_pixels: int) -> ImageFacts:
    """Decode an image in full and say what it is.

    Raises BadImage: ``empty-image``, ``unknown-image-format``, ``too-many-pixels`` (judged before
    decoding), ``broken-image`` (truncated or corrupt).
    """
    image = _open_image(content)
    width, height = image.size
    if width * height > max_pixels:
        raise BadImage("too-many-pixels", f"{width} x {height}, allowed are {max_pixels}")
    width, height = _load(image).size
    return ImageFacts(image.format or "", width, height)


def decode_rgb(content: bytes) -> Image.Image:
    """The first frame as 8-bit RGB, turned as EXIF says.

    Transparency is laid on black; more than 8 bits are scaled from the image's own lowest to its
    highest value. Raises BadImage as ``check_image`` does.
    """
    image = _load(_open_image(content))
    if image.mode in DEEP_MODES:
        return _scale_to_8_bit(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        black = Image.new("RGBA", layer.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, layer).convert("RGB")
    return image.convert("RGB")


def _open_image(content: bytes) -> Image.Image:
    if not content:
        raise BadImage("empty-image")
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise BadImage("too-many-pixels", str(error)) from None
    except UnidentifiedImageError:
        raise BadImage("unknown-image-format", f"none of {', '.join(FORMATS)}") from None
    except Exception as error:  # decoders of untrusted bytes fail in many ways
        raise BadImage("broken-image", f"{type(error).__name__}: {error}") from error


def _load(image: Image.Image) -> Image.Image:
    """The first frame, decoded in full and turned as its EXIF says."""
    try:
        image.load()
        return ImageOps.exif_transpose(image)
    except Exception as error:  # decoders of untrusted bytes fail in many ways
        raise BadImage("broken-image", f"{type(error).__name__}: {error}") from error


def _scale_to_8_bit(image: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    low, high = values.min(), values.max()
    scaled = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
    return Image.fromarray(scaled.round().astype(np.uint8))
