"""Encoded examples to padded tensors.

Shape letters: B samples, S source tokens, T target tokens, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.dataset.images import ImageStore, hide_middle
from components.model.specials import PAD
from components.tasks.encoding import EncodedExample


@dataclass(frozen=True)
class Item:
    """One encoded example with its image; ``is_code`` marks targets of image codes.

    ``pixels`` are what is seen of the image, where that is not all of it.
    """

    encoded: EncodedExample
    image_id: str = ""
    is_code: bool = False
    weight: float = 1.0
    pixels: np.ndarray | None = None


@dataclass
class Batch:
    """What the training step reads. Images are None where no sample has one.

    ``allowed_BTV`` names the tokens that each position may have; None allows all.
    """

    source_BS: Tensor
    images_B3HW: Tensor | None
    image_mask_B: Tensor | None
    prev_BT: Tensor
    labels_BT: Tensor
    code_mask_B: Tensor | None
    weight_B: Tensor
    allowed_BTV: Tensor | None = None

    def to(self, device: str) -> Batch:
        """The same batch on a device."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        moved: dict[str, Any] = {k: None if v is None else v.to(device) for k, v in values.items()}
        return Batch(**moved)


def collate(items: Sequence[Item], store: ImageStore | None, middle_px: int = 0) -> Batch:
    """Pad to the longest; hide the middle of images whose codes are the target.

    Raises ValueError when an item has an image and no store was given.
    """
    images = image_mask = None
    if any(item.image_id for item in items):
        if store is None:
            raise ValueError("items with images need an image store")
        images = store.batch([i.image_id if i.pixels is None else i.pixels for i in items])
        image_mask = torch.tensor([bool(item.image_id) for item in items])
        codes = torch.tensor([item.is_code for item in items])
        if bool(codes.any()):
            images[codes] = hide_middle(images[codes], middle_px)
    is_code = torch.tensor([item.is_code for item in items])
    return Batch(
        source_BS=pad([item.encoded.source for item in items]),
        images_B3HW=images,
        image_mask_B=image_mask,
        prev_BT=pad([item.encoded.prev for item in items]),
        labels_BT=pad([item.encoded.labels for item in items]),
        code_mask_B=is_code if bool(is_code.any()) else None,
        weight_B=torch.tensor([item.weight for item in items]),
    )


def pad(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of ids as one int64 tensor, padded on the right."""
    length = max(len(row) for row in rows)
    return torch.tensor([[*row, *[PAD] * (length - len(row))] for row in rows])
