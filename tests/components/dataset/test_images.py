"""Images for the model: size, values, what is hidden, and what is said when one is not there."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from components.dataset import images as module
from components.dataset.images import (
    ImageStore,
    hide_middle,
    normalise,
    resize_square,
)
from components.errors import UserError
from components.records import ImageRecord, write_records


def test_a_batch_is_square_and_between_minus_one_and_one(
    store: ImageStore, images: list[ImageRecord]
) -> None:
    batch = store.batch([images[0].id, images[1].id])
    assert batch.shape == (2, 3, 16, 16)
    assert batch.dtype == torch.float32
    assert float(batch.min()) >= -1.0
    assert float(batch.max()) <= 1.0
    assert torch.equal(batch[1], store.batch([images[1].id])[0])


def test_normalise_turns_channels_first_and_keeps_black_white_and_grey() -> None:
    pixels = torch.tensor([0.0, 127.5, 255.0]).expand(1, 2, 5, 3)
    values = normalise(pixels)
    assert values.shape == (1, 3, 2, 5)
    assert values[0, :, 0, 0].tolist() == [-1.0, 0.0, 1.0]


def test_no_image_is_grey(store: ImageStore, images: list[ImageRecord]) -> None:
    batch = store.batch(["", images[0].id])
    assert not batch[0].any()
    assert torch.equal(batch[1:], store.batch([images[0].id]))


@pytest.mark.parametrize(("side", "middle"), [(16, 8), (17, 5), (8, 8), (6, 0), (8, 12)])
def test_the_middle_is_hidden_and_the_rest_is_not(side: int, middle: int) -> None:
    images = torch.ones(2, 3, side, side)
    hidden = hide_middle(images, middle)
    middle = min(middle, side)
    begin = (side - middle) // 2
    assert float((1 - hidden).sum()) == 2 * 3 * middle**2
    assert not hidden[..., begin : begin + middle, begin : begin + middle].any()
    assert images.all()


def test_an_unknown_image_is_named(store: ImageStore) -> None:
    assert "abc" not in store
    with pytest.raises(UserError, match="image abc is not stored"):
        store.batch(["abc"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"images\.parquet is missing"):
        ImageStore([tmp_path / "images.parquet"], 16)


def test_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch, image_file: Path, images: list[ImageRecord]
) -> None:
    monkeypatch.setattr(module, "CACHE_BYTES", 2 * 3 * 16 * 16)
    store = ImageStore([image_file], 16)
    first = [store.pixels(image.id) for image in images]
    again = [store.pixels(image.id) for image in images]
    assert len(store.decoded) == 2
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_an_image_that_cannot_be_decoded_is_named(
    tmp_path: Path, images: list[ImageRecord]
) -> None:
    whole = images[0]
    cut = ImageRecord("cut", whole.bytes[:-40], "PNG", 12, 10, "", "image#0")
    write_records(tmp_path / "images.parquet", ImageRecord, [cut])
    with pytest.raises(UserError, match="image cut cannot be read") as caught:
        ImageStore([tmp_path / "images.parquet"], 16).batch(["cut"])
    assert caught.value.why.startswith("broken-image")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (37, 5)])
def test_any_mode_and_shape_becomes_a_square_of_rgb(mode: str, size: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    pixels = resize_square(buffer.getvalue(), 16, "a")
    assert (pixels.shape, pixels.dtype) == ((16, 16, 3), np.uint8)
