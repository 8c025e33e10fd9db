"""Which images become codes, and which part of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.dataset.codes import hold_out, middle_batch, training_images
from components.dataset.images import ImageStore, hide_middle
from components.records import Example, ImageRecord, write_records


def test_images_of_other_splits_never_become_codes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    images: list[ImageRecord],
    examples: list[Example],
) -> None:
    monkeypatch.chdir(tmp_path)
    figures, pairs = [images[0], images[-1]], images[2:]
    for number, figure in enumerate(figures):  # a shard each
        write_records(Path(f"data/articles/images/{number}/a.parquet"), ImageRecord, [figure])
    write_records(Path("data/examples/set/images.parquet"), ImageRecord, pairs)
    write_records(Path("data/examples/set/examples.parquet"), Example, examples)
    names = [record.id for record in training_images(["set"])]
    tested = {example.image_id for example in examples if example.split == "test"}
    assert images[-1].id in tested
    assert len(names) == len(set(names))
    assert set(names) == {image.id for image in [images[0], *images[2:]]} - tested


def test_images_of_boxes_and_sources_of_text_give_no_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: list[ImageRecord]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_records(Path("data/articles/images/a.parquet"), ImageRecord, [])
    for task, shown in (("detect", images[:3]), ("infill_image", images[2:4]), ("infill_text", [])):
        stored = [
            Example(str(i), task, task, "train", " what?", "", image_id=image.id)
            for i, image in enumerate(shown)
        ]
        write_records(Path(f"data/examples/{task}/examples.parquet"), Example, stored)
        write_records(Path(f"data/examples/{task}/images.parquet"), ImageRecord, shown)
    found = training_images(["detect", "infill_image", "infill_text"])
    assert [record.id for record in found] == [image.id for image in images[2:4]]


def test_the_middle_is_what_pretraining_hides(images: list[ImageRecord], store: ImageStore) -> None:
    middle = middle_batch(images[:2], 8, "centre")
    whole = store.batch([image.id for image in images[:2]])
    assert middle.shape == (2, 3, 8, 8)
    hidden = whole - hide_middle(whole, 8)
    assert torch.equal(hidden[..., 4:12, 4:12], middle)
    assert middle_batch(images[:2], 16, "whole").equal(whole)


@given(st.integers(0, 3000), st.integers(1, 40), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_nothing_is_both_fitted_and_held_out(num: int, max_fitted: int, seed: int) -> None:
    records = [ImageRecord(str(i), b"", "PNG", 1, 1, "", "") for i in range(num)]
    fitted, held = hold_out(records, max_fitted, seed)
    names = [record.id for record in fitted + held]
    assert len(set(names)) == len(names)
    assert len(held) == min(max(num // 10, min(num, 1)), 256)
    assert len(fitted) == min(max_fitted, num - len(held))
    assert (fitted, held) == hold_out(records, max_fitted, seed)
