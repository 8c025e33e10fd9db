"""Encoded examples to padded tensors.

Shape letters: B samples, S source tokens, T target tokens, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

    ``view`` draws what is seen of the image, (side, side, 3) uint8, where that is not all of it as
    it is; only the rank that shows it calls it. ``stream`` numbers the
    kind of example, whose loss is told apart. ``prev`` is what the decoder is given, where that is
    not what it ought to have said; ``allowed`` the tokens that each of its positions may have.
    """

    encoded: EncodedExample
    image_id: str = ""
    is_code: bool = False
    weight: float = 1.0
    view: Callable[[], np.ndarray] | None = None
    stream: int = 0
    prev: list[int] | None = None
    allowed: Sequence[Sequence[int]] | None = None


@dataclass
class Batch:
    """What the training step reads. Images are None where no sample has one.

    ``allowed_BTK`` lists the tokens that each position may have, the rest of a row repeats one of
    them; None allows all. ``stream_B`` numbers the kind of each sample.
    """

    source_BS: Tensor
    images_B3HW: Tensor | None
    image_mask_B: Tensor | None
    prev_BT: Tensor
    labels_BT: Tensor
    code_mask_B: Tensor | None
    weight_B: Tensor
    allowed_BTK: Tensor | None = None
    stream_B: Tensor | None = None

    def to(self, device: str) -> Batch:
        """The same batch on a device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The same batch in memory that a GPU reads while the processor goes on."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {k: None if v is None else change(v) for k, v in values.items()}
        return Batch(**changed)


def collate(
    items: Sequence[Item],
    store: ImageStore | None,
    middle_px: int = 0,
    *,
    with_images: bool = True,
) -> Batch:
    """Pad to the longest; hide the middle of images whose codes are the target.

    ``with_images=False`` leaves the images out: of what another rank computes, the labels are
    counted and nothing else is looked at. Raises ValueError when an item has an image and no store
    was given.
    """
    images = image_mask = None
    if any(item.image_id for item in items):
        image_mask = torch.tensor([bool(item.image_id) for item in items])
    if with_images and image_mask is not None:
        if store is None:
            raise ValueError("items with images need an image store")
        images = store.batch([i.image_id if i.view is None else i.view() for i in items])
        codes = torch.tensor([item.is_code for item in items])
        if bool(codes.any()):
            images[codes] = hide_middle(images[codes], middle_px)
    is_code = torch.tensor([item.is_code for item in items])
    return Batch(
        source_BS=pad([item.encoded.source for item in items]),
        images_B3HW=images,
        image_mask_B=image_mask,
        prev_BT=pad([item.prev or item.encoded.prev for item in items]),
        labels_BT=pad([item.encoded.labels for item in items]),
        code_mask_B=is_code if bool(is_code.any()) else None,
        weight_B=torch.tensor([item.weight for item in items]),
        allowed_BTK=_pad_allowed(items),
        stream_B=torch.tensor([item.stream for item in items]),
    )


def _pad_allowed(items: Sequence[Item]) -> Tensor | None:
    """What each position may have, (B, T, K); positions without a target have pads."""
    if any(item.allowed is None for item in items):
        return None
    rows = [item.allowed or [] for item in items]
    length = max(len(item.encoded.labels) for item in items)
    widest = max((len(ids) for row in rows for ids in row), default=1)
    allowed_BTK = torch.full((len(items), length, widest), PAD)
    for allowed_TK, item, row in zip(allowed_BTK, items, rows, strict=True):
        begin = len(item.encoded.labels) - len(row)
        for position, ids in enumerate(row, begin):
            allowed_TK[position] = ids[0]
            allowed_TK[position, : len(ids)] = torch.tensor(ids)
    return allowed_BTK


def pad(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of ids as one int64 tensor, padded on the right."""
    length = max(len(row) for row in rows)
    return torch.tensor([[*row, *[PAD] * (length - len(row))] for row in rows])
