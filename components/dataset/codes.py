"""The images that become codes: which ones, and which part of them.

Shape letters: B images, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from components.dataset.images import normalise, resize_square
from components.records import Example, ImageRecord, read_records

ARTICLES = Path("data/articles")
HELD_OUT_PART, MAX_HELD_OUT = 10, 256


def image_files(datasets: Sequence[str]) -> list[Path]:
    """Product folders that hold images: the articles', then those of data sets."""
    return [ARTICLES, *(Path("data/examples") / name for name in datasets)]


def training_images(datasets: Sequence[str]) -> list[ImageRecord]:
    """Images of the articles' figures and of train splits, each once; test images never.

    Images of detection are looked at for their boxes alone, as in the reference.
    """
    articles, *sets = image_files(datasets)
    found = {r.id: r for r in read_records(articles / "images", ImageRecord)}
    barred: set[str] = set()
    for folder in sets:
        images = list(read_records(folder / "images.parquet", ImageRecord))
        if not images:  # texts, of which there may be more than memory holds
            continue
        examples = list(read_records(folder / "examples.parquet", Example))
        barred |= {e.image_id for e in examples if e.split != "train"}
        modality = {e.image_id: e.modality for e in examples if e.task != "detect"}
        shown = {r.id: _with_modality(r, modality[r.id]) for r in images if r.id in modality}
        found = {**shown, **found}
    return [record for key, record in found.items() if key not in barred]


def _with_modality(record: ImageRecord, modality: str) -> ImageRecord:
    if record.modality or not modality:
        return record
    return ImageRecord(
        record.id,
        record.bytes,
        record.format,
        record.width,
        record.height,
        modality,
        record.origin,
    )


def hold_out(
    records: Sequence[ImageRecord], max_fitted: int, seed: int
) -> tuple[list[ImageRecord], list[ImageRecord]]:
    """Images to fit on and images to measure on, drawn with a seed; none is in both.

    A tenth is held out, at least one image and at most 256; ``max_fitted`` of the rest are fitted.
    """
    generator = torch.Generator().manual_seed(seed)
    shuffled = [records[i] for i in torch.randperm(len(records), generator=generator).tolist()]
    num_held = min(max(len(records) // HELD_OUT_PART, 1), MAX_HELD_OUT)
    return shuffled[num_held : num_held + max_fitted], shuffled[:num_held]


def middle_batch(records: Sequence[ImageRecord], code_px: int, crop: str) -> Tensor:
    """Images in [-1, 1], (B, 3, code_px, code_px).

    ``centre`` resizes to twice ``code_px`` and takes the middle, which is what pretraining hides;
    ``whole`` resizes all of the image.
    """
    side = 2 * code_px if crop == "centre" else code_px
    squares = [resize_square(r.bytes, side, r.id) for r in records]
    pixels = torch.stack([torch.from_numpy(square.copy()) for square in squares])
    begin = (side - code_px) // 2
    return normalise(pixels)[..., begin : begin + code_px, begin : begin + code_px].contiguous()
