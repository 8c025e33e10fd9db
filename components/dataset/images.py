"""Images for the model: decoded once, resized square, kept in memory up to a budget.

Shape letters: B images, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from components.errors import UserError
from components.readers.images import BadImage, decode_rgb
from components.records import ImageRecord, read_records

CACHE_BYTES = 2_000_000_000


class ImageStore:
    """Images by id, as 8-bit RGB at one size. ``files``: Parquet files, or folders of shards."""

    def __init__(self, files: Iterable[Path], image_px: int) -> None:
        self.image_px = image_px
        self.encoded = {r.id: r.bytes for file in files for r in read_records(file, ImageRecord)}
        self.decoded: dict[str, np.ndarray] = {}
        self.max_decoded = max(CACHE_BYTES // (3 * image_px * image_px), 1)

    def __contains__(self, image_id: str) -> bool:
        return image_id in self.encoded

    def pixels(self, image_id: str) -> np.ndarray:
        """(px, px, 3) uint8 of one image."""
        if image_id in self.decoded:
            return self.decoded[image_id]
        pixels = resize_square(self._content(image_id), self.image_px, image_id)
        if len(self.decoded) < self.max_decoded:
            self.decoded[image_id] = pixels
        return pixels

    def whole(self, image_id: str) -> Image.Image:
        """One image as it was stored, in RGB at its own size."""
        return decode_stored(self._content(image_id), image_id)

    def batch(self, images: Sequence[str | np.ndarray]) -> Tensor:
        """(B, 3, px, px) float32, normalised, of ids or of pixels at this size.

        An empty id gives a grey image.
        """
        grey = np.full((self.image_px, self.image_px, 3), 127.5, np.float32)
        return normalise(torch.from_numpy(np.stack([self._look_up(i, grey) for i in images])))

    def _look_up(self, image: str | np.ndarray, absent: np.ndarray) -> np.ndarray:
        if isinstance(image, str):
            return self.pixels(image) if image else absent
        return image

    def _content(self, image_id: str) -> bytes:
        if image_id not in self.encoded:
            raise UserError(f"image {image_id} is not stored", next_command="dvc repro")
        return self.encoded[image_id]


def resize_square(content: bytes, image_px: int, image_id: str) -> np.ndarray:
    """An encoded image as (px, px, 3) uint8, resized bicubically with antialiasing."""
    return _resize(decode_stored(content, image_id), image_px)


def decode_stored(content: bytes, image_id: str) -> Image.Image:
    """An encoded image in RGB.

    UserError, with the image's id and what is wrong, where it cannot be decoded: what prepare
    stored was sound.
    """
    try:
        return decode_rgb(content)
    except BadImage as bad:
        raise UserError(
            f"image {image_id} cannot be read", why=str(bad), next_command="dvc repro prepare"
        ) from None


def draw_square(content: bytes, image_px: int) -> np.ndarray:
    """As ``resize_square``, of an image that may be bad: BadImage says what is wrong with it."""
    return _resize(decode_rgb(content), image_px)


def _resize(image: Image.Image, image_px: int) -> np.ndarray:
    if image.size != (image_px, image_px):
        image = image.resize((image_px, image_px), Image.Resampling.BICUBIC)
    return np.asarray(image)


def normalise(pixels_BHW3: Tensor) -> Tensor:
    """Pixels 0..255 to (B, 3, H, W) with mean and deviation 0.5, as the reference does."""
    return pixels_BHW3.permute(0, 3, 1, 2).float().div(127.5).sub(1.0).contiguous()


def hide_middle(images_B3HW: Tensor, middle_px: int) -> Tensor:
    """The images with their central square set to grey: all of them where it is larger."""
    hidden = images_B3HW.clone()
    begin = max(images_B3HW.shape[-1] - middle_px, 0) // 2
    hidden[..., begin : begin + middle_px, begin : begin + middle_px] = 0.0
    return hidden
