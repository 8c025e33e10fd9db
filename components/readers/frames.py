"""Frames in the order of time as one picture, row by row: what a model of single images can see.

Method: a grid of frames in place of a video (arXiv 2403.18406). No frame is shrunk here; how much
detail of each is left follows from image_px, so that few frames are shown: of more than MAX_FRAMES
those that are evenly spaced, the first and the last among them.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from PIL import Image

from components.readers.images import BadImage, check_image, decode_rgb

MAX_FRAMES = 9


def choose_frames(num: int) -> list[int]:
    """Which of so many frames are shown, in their order."""
    if num <= MAX_FRAMES:
        return list(range(num))
    return [round(i * (num - 1) / (MAX_FRAMES - 1)) for i in range(MAX_FRAMES)]


def lay_out(frames: Sequence[bytes], max_pixels: int) -> bytes:
    """A PNG of encoded frames, each resized to the first one's size; what is left over is black.

    BadImage names the frame that cannot be used.
    """
    images = []
    for number, content in enumerate(frames, 1):
        try:
            check_image(content, max_pixels)
            images.append(decode_rgb(content))
        except BadImage as bad:
            raise BadImage(bad.reason, f"frame {number} of {len(frames)}: {bad.detail}") from None
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    width, height = images[0].size
    sheet = Image.new("RGB", (columns * width, rows * height))
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        fitted = image if image.size == (width, height) else image.resize((width, height))
        sheet.paste(fitted, (column * width, row * height))
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()
