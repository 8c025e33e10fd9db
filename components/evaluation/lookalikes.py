"""Images that look alike: a 64-bit difference hash, and a search for hashes that are close.

The hash says of 8 x 8 places whether the image gets brighter to the right (the "dHash" of N.
Krawetz), which survives scaling, recompression and a change of brightness. It does not survive a
crop, and plain or stereotyped images collide: a match is a hint to look, not a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.readers.images import BadImage, decode_rgb
from components.records import ImageRecord

SIDE = 8
FLAT_STD = 3.0  # grey levels; below this a thumbnail has no structure to compare
CHUNK = 1 << 22  # pairs compared at a time: 32 MB


@dataclass
class Looks:
    """Hash by image id; ids of images with nothing to compare, and of unreadable ones."""

    hashes: dict[str, int] = field(default_factory=dict)
    flat: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)


def hash_images(images: Iterable[ImageRecord]) -> Looks:
    """Hash a stream of images; memory holds one image and 64 bits for each seen."""
    looks = Looks()
    for image in images:
        try:
            value = difference_hash(decode_rgb(image.bytes))
        except BadImage:
            looks.unreadable.add(image.id)
            continue
        if value is None:
            looks.flat.add(image.id)
        else:
            looks.hashes[image.id] = value
    return looks


def difference_hash(image: Image.Image) -> int | None:
    """64 bits of brighter-to-the-right, row by row; None for an image without structure."""
    small = image.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.LANCZOS)
    greys = np.asarray(small, np.int16)
    if greys.std() < FLAT_STD:
        return None
    bits = (greys[:, 1:] > greys[:, :-1]).reshape(-1)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def find_nearest(
    wanted: NDArray[np.uint64], known: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each wanted hash the index of the nearest known one, and how many bits differ."""
    nearest = np.zeros(len(wanted), np.int64)
    distance = np.full(len(wanted), 8 * SIDE + 1, np.int64)
    if not len(known):
        return nearest, distance
    rows = max(1, CHUNK // len(known))
    for start in range(0, len(wanted), rows):
        part = slice(start, start + rows)
        differing = np.bitwise_count(wanted[part, None] ^ known[None, :])
        nearest[part] = differing.argmin(1)
        distance[part] = differing.min(1)
    return nearest, distance
