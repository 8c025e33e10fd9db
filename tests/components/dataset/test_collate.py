"""Encoded examples to tensors: padding, masks, and the hidden middle."""

from __future__ import annotations

import pytest
import torch

from components.dataset.collate import Item, collate, pad
from components.dataset.images import ImageStore
from components.model.specials import BOS, EOS, PAD
from components.records import ImageRecord
from components.tasks.encoding import EncodedExample

TEXT = Item(EncodedExample([BOS, 5, 6, EOS], [], [7, EOS], 0))
QUESTION = EncodedExample([BOS, 5, EOS], [8, 9], [7, 4, EOS], 0)


def test_rows_are_padded_on_the_right() -> None:
    padded = pad([[5], [6, 7, 8], []])
    assert padded.tolist() == [[5, PAD, PAD], [6, 7, 8], [PAD, PAD, PAD]]
    assert padded.dtype == torch.int64


def test_text_alone_has_no_image_tensors() -> None:
    batch = collate([TEXT, Item(QUESTION, weight=0.5)], None)
    assert batch.images_B3HW is batch.image_mask_B is batch.code_mask_B is None
    assert batch.source_BS.tolist() == [[BOS, 5, 6, EOS], [BOS, 5, EOS, PAD]]
    assert batch.prev_BT.tolist() == [[BOS, 7, PAD, PAD, PAD], [BOS, 8, 9, 7, 4]]
    assert batch.labels_BT.tolist() == [[7, EOS, PAD, PAD, PAD], [PAD, PAD, 7, 4, EOS]]
    assert batch.weight_B.tolist() == [1.0, 0.5]


def test_masks_tell_which_samples_have_an_image_and_which_are_codes(
    store: ImageStore, images: list[ImageRecord]
) -> None:
    name = images[0].id
    batch = collate([TEXT, Item(QUESTION, name), Item(QUESTION, name, is_code=True)], store, 8)
    assert batch.image_mask_B is not None
    assert batch.code_mask_B is not None
    assert batch.images_B3HW is not None
    assert batch.image_mask_B.tolist() == [False, True, True]
    assert batch.code_mask_B.tolist() == [False, False, True]
    whole = store.batch([name])[0]
    assert not batch.images_B3HW[0].any()
    assert torch.equal(batch.images_B3HW[1], whole)
    assert not batch.images_B3HW[2, :, 4:12, 4:12].any()
    assert torch.equal(batch.images_B3HW[2, :, :4], whole[:, :4])


def test_images_need_a_store() -> None:
    with pytest.raises(ValueError, match="need an image store"):
        collate([Item(QUESTION, "abc")], None)


def test_a_batch_moves_as_a_whole() -> None:
    batch = collate([TEXT], None).to("meta")
    assert batch.source_BS.device.type == batch.weight_B.device.type == "meta"
    assert batch.images_B3HW is None
