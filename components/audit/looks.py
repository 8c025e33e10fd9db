"""How alike two images are: the correlation of their shapes, once one is laid upon the other.

pHash (Zauner, Implementation and benchmarking of perceptual image hash functions, 2010) keeps the
signs of an image's low cosine coefficients. Here the coefficients are kept as numbers, so that two
images compare by a correlation from -1 to 1, which a change of brightness or contrast hardly moves.
An image is looked at as it is and without its plain borders. Cropped and mirrored copies are found
by trying: a few crops while searching (``CROPS``), and the very borders for those pairs that may be
copies (``align``). How this compares with hashes: benchmarks/lookalikes.py.

Shape letters: N images of H x W pixels; D coefficients, of U vertical by V horizontal frequencies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMB_PX = 64
NUM_FREQUENCIES = 16  # each way
MIN_FREQUENCY = 2.0  # below: light that falls from one side, and where the bright half is
PAD_LEVELS, MAX_PAD = 10, 0.25  # grey levels that JPEG leaves in a plain border; share of a side
FLAT_STD = 3.0  # grey levels; below this a thumbnail has no structure to compare

Thumb = NDArray[np.uint8]
Views = tuple[Thumb, Thumb]  # all of it, and without plain borders
Vectors = NDArray[np.float32]
Box = tuple[float, float, float, float]  # shares cut off: left, top, right, bottom
WHOLE: Box = (0.0, 0.0, 0.0, 0.0)
CROPS: tuple[Box, ...] = (
    (0.04,) * 4, (0.08,) * 4,
    (0.08, 0, 0, 0), (0, 0.08, 0, 0), (0, 0, 0.08, 0), (0, 0, 0, 0.08),
)  # fmt: skip
STEPS, MAX_CUT = (0.04, 0.02, 0.01, 0.005), 0.16


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two images are, at the crop that shows it best; ``cut_from`` is ``test``,
    ``train`` or "": which of the two shows more."""

    correlation: float
    mirrored: bool
    cut_from: str


def shrink(image: Image.Image) -> Views | None:
    """Grey thumbnails (THUMB_PX square); None for an image without structure.

    Both are one object where no border is plain.
    """
    grey = image.convert("L")
    if max(grey.size) > 8 * THUMB_PX:
        grey = grey.reduce(max(grey.size) // (4 * THUMB_PX))
    whole, content = (0, 0, *grey.size), _find_content(grey)
    size, how = (THUMB_PX, THUMB_PX), Image.Resampling.BICUBIC
    plain = np.asarray(grey.resize(size, how))
    if plain.std() < FLAT_STD:
        return None
    return plain, plain if content == whole else np.asarray(grey.resize(size, how, box=content))


def _find_content(grey: Image.Image) -> tuple[int, int, int, int]:
    """What is left when rows and columns like the outermost one are cut off."""
    pixels = np.asarray(grey, np.int16)
    left, top = _count_plain(pixels.T), _count_plain(pixels)
    right, bottom = _count_plain(pixels.T[::-1]), _count_plain(pixels[::-1])
    return left, top, grey.width - right, grey.height - bottom


def _count_plain(rows: NDArray[np.int16]) -> int:
    differs = np.abs(rows - np.median(rows[0])).max(1) > PAD_LEVELS
    return min(int(differs.argmax()), int(len(rows) * MAX_PAD)) if differs.any() else 0


def describe(thumbs_NHW: NDArray[Any], cut: Box = WHOLE) -> Vectors:
    """The cosine coefficients of thumbnails within a crop, as unit vectors (N, D).

    D counts U * V, vertical frequency first; without N, of one thumbnail. Each is weighed by its
    frequency, as images hold less of the high ones.
    """
    left, top, right, bottom = cut
    pixels = np.asarray(thumbs_NHW, np.float32)
    pixels = pixels - pixels.mean((-2, -1), keepdims=True)
    spectrum = _waves(top, bottom) @ pixels @ _waves(left, right).T * _weights()
    vectors = spectrum.reshape(*pixels.shape[:-2], NUM_FREQUENCIES**2)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-6), np.float32)


@cache
def _waves(begin: float, end: float) -> NDArray[np.float32]:
    """Cosines that fit into what is left of a side when shares are cut off at its ends.

    (NUM_FREQUENCIES, THUMB_PX); a pixel that is cut through counts for its part.
    """
    edges = np.arange(THUMB_PX + 1) / THUMB_PX
    inside = np.clip(edges[1:], begin, 1 - end) - np.clip(edges[:-1], begin, 1 - end)
    place = ((edges[1:] + edges[:-1]) / 2 - begin) / (1 - end - begin)
    waves = np.cos(np.pi * np.arange(NUM_FREQUENCIES)[:, None] * place) * inside
    return np.asarray(waves, np.float32)


@cache
def _weights() -> NDArray[np.float32]:
    height = np.hypot(np.arange(NUM_FREQUENCIES)[:, None], np.arange(NUM_FREQUENCIES)[None, :])
    return np.where(height >= MIN_FREQUENCY, height, 0).astype(np.float32)


def mirror(vectors_ND: Vectors) -> Vectors:
    """The vectors of the same images seen in a mirror: odd horizontal waves change their sign."""
    signs = np.where(np.arange(NUM_FREQUENCIES) % 2, -1, 1).astype(np.float32)
    return np.asarray(vectors_ND * np.tile(signs, NUM_FREQUENCIES), np.float32)


def align(test: Views, train: Views, mirrored: bool) -> Likeness:
    """How alike two images are where the one shows all, or a part, of what the other shows."""
    plain, content = zip(test, train, strict=True)
    found = [_align(*plain, mirrored)]
    if content[0] is not plain[0] or content[1] is not plain[1]:
        found.append(_align(*content, mirrored))
    return max(found, key=lambda likeness: likeness.correlation)


def _align(test: Thumb, train: Thumb, mirrored: bool) -> Likeness:
    seen = test[:, ::-1] if mirrored else test
    shown = {"test": (seen, describe(train)), "train": (train, describe(seen))}
    starts = [
        (_rate(thumb, cut, target), cut, side)
        for side, (thumb, target) in shown.items()
        for cut in (WHOLE, *CROPS)
    ]
    score, cut, side = max(starts)
    cut, score = _fit_cut(*shown[side], cut, score)
    return Likeness(round(score, 4), mirrored, "" if cut == WHOLE else side)


def _rate(thumb: Thumb, cut: Box, target: Vectors) -> float:
    return float(describe(thumb, cut) @ target)


def _fit_cut(thumb: Thumb, target: Vectors, best: Box, score: float) -> tuple[Box, float]:
    """The crop that looks most like the target, by coordinate ascent from ``best``."""
    for step in STEPS:
        better = True
        while better:
            tried = [(cut, _rate(thumb, cut, target)) for cut in _neighbours(best, step)]
            cut, value = max(tried, key=lambda found: found[1])
            better = value > score
            if better:
                best, score = cut, value
    return best, score


def _neighbours(cut: Box, step: float) -> list[Box]:
    """Crops that differ on one side, by a step outwards or inwards."""
    moved = [
        (*cut[:side], round(cut[side] + change, 3), *cut[side + 1 :])
        for side in range(4)
        for change in (-step, step)
        if 0 <= round(cut[side] + change, 3) <= MAX_CUT
    ]
    return [(a, b, c, d) for a, b, c, d in moved]
