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
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # a TIFF tag, and its value where 0 stands for white


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
    """Decode an image in full and say what it is; what passes here, ``decode_rgb`` can read.

    Raises BadImage: ``empty-image``, ``unknown-image-format``, ``too-many-pixels`` (judged before
    decoding), ``broken-image`` (truncated or corrupt), ``no-finite-values``.
    """
    image = _open_image(content)
    width, height = image.size
    if width * height > max_pixels:
        raise BadImage("too-many-pixels", f"{width} x {height}, allowed are {max_pixels}")
    width, height = _show(image).size
    return ImageFacts(image.format or "", width, height)


def decode_rgb(content: bytes) -> Image.Image:
    """The first frame as 8-bit RGB, turned as EXIF says.

    Transparency is laid on black; more than 8 bits are scaled from the image's own lowest to its
    highest value, and turned over where the file counts from white. Raises BadImage as
    ``check_image`` does; the cap here is Pillow's own.
    """
    return _show(_open_image(content))


def window_image(content: bytes, offset: int, low: float, high: float) -> bytes:
    """A deep grey image as an 8-bit PNG: its values less ``offset``, ``low`` black, ``high`` white.

    Raises BadImage where it cannot be decoded, or is not of one value a pixel.
    """
    image = _open_image(content)
    try:
        values = np.asarray(image).astype(np.float32) - offset
    except Exception as error:  # decoders of untrusted bytes fail in many ways
        raise BadImage("broken-image", f"{type(error).__name__}: {error}") from error
    if values.ndim != 2:
        raise BadImage("not-grey", f"mode {image.mode}")
    shades = ((values - low) * (255.0 / (high - low))).clip(0, 255).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(shades).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def _open_image(content: bytes) -> Image.Image:
    if not content:
        raise BadImage("empty-image")
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:  # raised beyond twice its cap, before the size is known
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise BadImage("too-many-pixels", f"more than {most} million") from None
    except UnidentifiedImageError:
        raise BadImage("unknown-image-format", f"none of {', '.join(FORMATS)}") from None
    except Exception as error:  # decoders of untrusted bytes fail in many ways
        raise BadImage("broken-image", f"{type(error).__name__}: {error}") from error


def _show(image: Image.Image) -> Image.Image:
    """The first frame, decoded in full, turned as its EXIF says, as RGB."""
    try:
        image.load()
        shown = _convert(ImageOps.exif_transpose(image), _counts_from_white(image))
        shown.info.pop("comment", None)  # it may name a patient; a JPEG made of this would have it
        return shown
    except BadImage:
        raise
    except Exception as error:  # decoders of untrusted bytes fail in many ways
        raise BadImage("broken-image", f"{type(error).__name__}: {error}") from error


def _counts_from_white(image: Image.Image) -> bool:
    """Whether 0 is white (TIFF 6.0, section 8). Pillow turns such files over up to 8 bits only."""
    tags = getattr(image, "tag_v2", {})
    return tags.get(PHOTOMETRIC) == WHITE_IS_ZERO


def _convert(image: Image.Image, from_white: bool) -> Image.Image:
    if image.mode in DEEP_MODES:
        return _scale_to_8_bit(image, from_white).convert("RGB")
    if image.mode == "La":  # premultiplied grey has no direct way to RGBA
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        black = Image.new("RGBA", layer.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, layer).convert("RGB")
    return image.convert("RGB")


def _scale_to_8_bit(image: Image.Image, from_white: bool) -> Image.Image:
    """Lowest value to 0, highest to 255, or the other way round; not-a-number counts as lowest."""
    values = np.asarray(image).astype(np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise BadImage("no-finite-values")
    low, high = finite.min(), finite.max()
    if low == high:
        return Image.new("L", image.size, 0)
    values = np.nan_to_num(values, nan=low, neginf=low, posinf=high)
    scaled = ((values - low) * (255.0 / (high - low))).round().astype(np.uint8)
    return Image.fromarray(255 - scaled if from_white else scaled)
