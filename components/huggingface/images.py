"""Images of any kind to pixel values, by the same steps as training (components/dataset/images).

Shape letters: B images, H and W pixels.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from transformers import BaseImageProcessor, BatchFeature

from components.dataset.images import normalise, resize_square
from components.errors import UserError
from components.huggingface.arguments import refuse_unknown
from components.readers.images import BadImage, check_image

MAX_PIXELS = 50_000_000
PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
TIFF_MODES = ("I", "F", "CMYK", "YCbCr", "LAB")
ImageLike = Image.Image | np.ndarray | bytes | Path | str
GREY = 127.5  # the middle of 0..255: zero after normalisation, a hidden image


class BiomedGptImageProcessor(BaseImageProcessor):
    """Decode to RGB, resize to a square (bicubic, antialiased), scale to [-1, 1].

        images = BiomedGptImageProcessor(image_px=256)
        images(["scan.png"], return_tensors="pt")["pixel_values"].shape  # (1, 3, 256, 256)

    Takes file names, encoded bytes, Pillow images of any mode, 8-bit arrays (H, W), (H, W, 1),
    (H, W, 3) or (H, W, 4), the last with transparency, and 16-bit arrays (H, W) or (H, W, 1),
    which are scaled from lowest to highest as 16-bit files are. UserError names the place of an
    image in the batch that cannot be read, or that has more than ``max_pixels`` pixels.
    """

    model_input_names = ["pixel_values", "image_mask"]  # noqa: RUF012 - typed by the base

    def __init__(self, image_px: int = 256, max_pixels: int = MAX_PIXELS, **more: Any) -> None:
        super().__init__(**more)
        self.image_px, self.max_pixels = image_px, max_pixels

    def preprocess(
        self,
        images: ImageLike | Sequence[ImageLike | None],
        return_tensors: str | None = None,
        **unknown: Any,
    ) -> BatchFeature:
        """``pixel_values`` (B, 3, px, px); ``image_mask`` (B,), False for a None in the batch.

        UserError for an empty batch, and for an argument that is none.
        """
        refuse_unknown(unknown, "BiomedGptImageProcessor")
        listed = list(images) if isinstance(images, list | tuple) else [images]
        batch = cast("list[ImageLike | None]", listed)
        if not batch:
            raise UserError("an empty list of images", next_command="give None to have none")
        pixels = torch.stack([self._pixels(image, place) for place, image in enumerate(batch)])
        mask = torch.tensor([image is not None for image in batch])
        data = {"pixel_values": normalise(pixels), "image_mask": mask}
        return BatchFeature(data, tensor_type=return_tensors)

    def _pixels(self, image: ImageLike | None, place: int) -> Tensor:
        """(px, px, 3) of one image; grey for none."""
        if image is None:
            return torch.full((self.image_px, self.image_px, 3), GREY)
        name = f"{place} of the batch"
        try:
            content = encoded_bytes(image, self.max_pixels)
            check_image(content, self.max_pixels)
        except (BadImage, OSError, ValueError) as fault:  # Pillow has ValueErrors of its own
            raise UserError(f"image {name} cannot be read", why=str(fault)) from None
        pixels = resize_square(content, self.image_px, name)
        return torch.from_numpy(pixels.copy()).float()


def encoded_bytes(image: ImageLike, max_pixels: int) -> bytes:
    """An image as the bytes of a file, without loss, so that every kind is decoded in one way.

    Raises BadImage for arrays of another kind and for more pixels than allowed.
    """
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | Path):
        return Path(image).read_bytes()
    if not isinstance(image, Image.Image):
        image = _from_array(np.asarray(image))
    if image.width * image.height > max_pixels:
        size = f"{image.width} x {image.height}, allowed are {max_pixels}"
        raise BadImage("too-many-pixels", size)
    if 0 in image.size:
        raise BadImage("empty-image", f"{image.width} x {image.height}")
    image = _storable(ImageOps.exif_transpose(image))
    buffer = io.BytesIO()
    if image.mode in PNG_MODES:
        image.save(buffer, "PNG", compress_level=1)
    else:
        image.save(buffer, "TIFF")
    return buffer.getvalue()


def _storable(image: Image.Image) -> Image.Image:
    """The image in a mode that a file can hold, with the same values."""
    if image.mode in PNG_MODES + TIFF_MODES:
        return image
    if image.mode.startswith("I;16"):  # other orders of the two bytes
        return Image.fromarray(np.asarray(image).astype(np.uint16))
    if image.mode == "La":  # premultiplied grey has no direct way to RGBA
        return image.convert("LA")
    return image.convert("RGBA" if "A" in image.mode.upper() else "RGB")


def _from_array(array: np.ndarray) -> Image.Image:
    wanted = {"uint8": ((), (1,), (3,), (4,)), "uint16": ((), (1,))}
    channels = array.shape[2:]
    if array.ndim not in (2, 3) or channels not in wanted.get(array.dtype.name, ()):
        kinds = "uint8 (H, W), (H, W, 1), (H, W, 3), (H, W, 4) or uint16 (H, W), (H, W, 1)"
        raise BadImage("unknown-array", f"{array.dtype} {array.shape}, wanted {kinds}")
    if not array.size:
        raise BadImage("empty-image", f"an array {array.shape}")
    array = array[..., 0] if channels == (1,) else array
    return Image.fromarray(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))
