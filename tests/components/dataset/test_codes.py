"""Which images become codes, and which part of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.dataset.codes import (
    Place,
    draw_sample,
    hidden_side,
    hold_out,
    load_images,
    middle_batch,
    read_images,
    training_images,
)
from components.dataset.images import ImageStore, hide_middle
from components.errors import UserError
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
    names = [place.id for place in training_images(["set"])]
    tested = {example.image_id for example in examples if example.split == "test"}
    assert images[-1].id in tested
    assert len(names) == len(set(names))
    assert set(names) == {image.id for image in [images[0], *images[2:]]} - tested


@pytest.fixture
def places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: list[ImageRecord]
) -> list[Place]:
    """Figures of two shards, three images to a row group."""
    monkeypatch.chdir(tmp_path)
    for name, part in (("b/x", images[:7]), ("a", images[7:])):
        path = Path(f"data/articles/images/{name}.parquet")
        write_records(path, ImageRecord, part, batch_rows=3)
    return training_images([])


def test_images_are_found_again_where_they_lie(
    places: list[Place], images: list[ImageRecord]
) -> None:
    assert [place.group for place in places] == [0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 2]
    by_id = {image.id: image for image in images}
    assert load_images(places[::-2]) == [by_id[place.id] for place in places[::-2]]
    assert list(read_images([*places[5:6], *places[5:6]])) == [by_id[places[5].id]]


def test_an_image_takes_the_modality_of_its_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: list[ImageRecord]
) -> None:
    monkeypatch.chdir(tmp_path)
    named = replace(images[1], modality="mr")
    write_records(Path("data/articles/images/a.parquet"), ImageRecord, [images[0], images[2]])
    write_records(Path("data/examples/set/images.parquet"), ImageRecord, [images[0], named])
    pairs = [
        Example(str(i), "set", "vqa", "train", "", "", image_id=image.id, modality="ct")
        for i, image in enumerate(images[:2])
    ]
    write_records(Path("data/examples/set/examples.parquet"), Example, pairs)
    found = {place.id: place.modality for place in training_images(["set"])}
    assert found == {images[0].id: "ct", images[1].id: "mr", images[2].id: ""}


def test_a_sample_is_some_of_each_modality_whatever_the_order() -> None:
    places = [Place(f"{7 * i % 20:02d}", ("ct", "xray")[i % 2], "", 0) for i in range(20)]
    places.append(Place("99", "mr", "", 0))
    sample = draw_sample(places, 3)
    assert sample == draw_sample(places[::-1], 3)
    assert [place.modality for place in sample] == ["ct"] * 3 + ["mr"] + ["xray"] * 3
    assert [place.id for place in sample if place.modality == "ct"] == ["00", "02", "04"]


def test_a_broken_image_is_named(images: list[ImageRecord]) -> None:
    broken = replace(images[0], bytes=images[0].bytes[:30])
    with pytest.raises(UserError, match=f"{broken.id} .image#0. cannot be read"):
        middle_batch([broken], 8, "whole")


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
    assert [place.id for place in found] == [image.id for image in images[2:4]]


def test_the_middle_is_what_pretraining_hides(images: list[ImageRecord], store: ImageStore) -> None:
    middle = middle_batch(images[:2], 8, "centre")
    whole = store.batch([image.id for image in images[:2]])
    assert middle.shape == (2, 3, 8, 8)
    hidden = whole - hide_middle(whole, 8)
    assert torch.equal(hidden[..., 4:12, 4:12], middle)
    assert middle_batch(images[:2], 16, "whole").equal(whole)


@pytest.mark.parametrize("image_px", [16, 17, 24, 64])
def test_all_that_codes_tell_of_is_hidden_at_any_size(image_px: int) -> None:
    images = torch.ones(1, 3, image_px, image_px)
    assert not hide_middle(images, hidden_side(image_px, "whole")).any()
    shown = hide_middle(images, hidden_side(image_px, "centre"))[0, 0].nonzero()
    quarter = image_px / 4  # what twice the codes' side is cut to lies within these edges
    inside = ((shown >= quarter) & (shown + 1 <= image_px - quarter)).all(1)
    assert not inside.any()
    assert len(shown) > image_px**2 / 2


@given(st.integers(0, 3000), st.integers(1, 40), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_nothing_is_both_fitted_and_held_out(num: int, max_fitted: int, seed: int) -> None:
    places = [Place(str(i), "", "", 0) for i in range(num)]
    fitted, held = hold_out(places, max_fitted, seed)
    names = [place.id for place in fitted + held]
    assert len(set(names)) == len(names)
    assert len(held) == min(max(num // 10, min(num, 1)), 256)
    assert len(fitted) == min(max_fitted, num - len(held))
    assert (fitted, held) == hold_out(places, max_fitted, seed)
