"""The real subsets, where they are: as many rows as their notes say, and nothing refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.cards import Card
from components.readers.images import check_image, decode_rgb
from components.readers.plain_pickle import read_plain_pickle
from components.records import OUTSIDE
from tests.components.readers.conftest import Split

Read = Callable[[str, Path], Split]


@pytest.mark.parametrize(
    ("name", "folder", "splits"),
    [
        ("vqa_rad", "vqa_rad", {"train": 1032, "test": 185}),
        ("pathvqa", "pathvqa", {"train": 72, "test": 36}),
        ("medpix", "medpix2", {"train": 36, "validation": 11, "test": 16}),
        ("pneumoniamnist", "medmnist", {"train": 1000, "validation": 200, "test": 300}),
        ("meqsum", "meqsum", {"unsplit": 800}),
        ("pubmedqa", "pubmedqa", {"train": 200, "test": 150}),
        ("medmcqa", "medical_mcq/medmcqa", {"unsplit": 200}),
        ("medqa", "medical_mcq/medqa", {"unsplit": 200}),
    ],
)
def test_every_row_is_read(
    shared_data: Path, read: Read, name: str, folder: str, splits: dict[str, int]
) -> None:
    rows, rejects = read(name, shared_data / folder)
    assert rejects == []
    assert Counter(row.split for row in rows) == splits
    assert len({row.id for row in rows}) == len(rows)


def test_slake_without_images_names_each_english_question(shared_data: Path, read: Read) -> None:
    files = [shared_data / "slake" / f"{name}.json" for name in ("train", "validate", "test")]
    records = [record for path in files for record in json.loads(path.read_text())]
    rows, rejects = read("slake", shared_data / "slake")
    assert rows == []
    languages = Counter(record["q_lang"] for record in records)
    reasons = Counter(reject.reason for reject in rejects)
    assert reasons == {"missing-image": languages["en"], OUTSIDE: languages["zh"]}


@pytest.mark.parametrize(("name", "folder"), [("vqa_rad", "vqa_rad"), ("medpix", "medpix2")])
def test_every_picture_decodes(shared_data: Path, read: Read, name: str, folder: str) -> None:
    rows, _ = read(name, shared_data / folder)
    paths = {row.image for row in rows if isinstance(row.image, Path)}
    for path in sorted(paths)[:20]:
        content = path.read_bytes()
        facts = check_image(content, 40_000_000)
        assert decode_rgb(content).size == (facts.width, facts.height)


def test_cmyk_pictures_are_not_negatives(shared_data: Path, read: Read) -> None:
    """Histology on white: a wrongly inverted CMYK picture would be dark."""
    rows, _ = read("pathvqa", shared_data / "pathvqa")
    for row in rows[:30]:
        assert isinstance(row.image, Path)
        pixels = np.asarray(decode_rgb(row.image.read_bytes()))
        assert pixels.mean() > 60, row.origin


@pytest.mark.parametrize("name", ["pathmnist", "dermamnist", "pneumoniamnist", "breastmnist"])
def test_class_names_are_those_of_the_reference(
    shared_data: Path, card: Callable[[str], Card], name: str
) -> None:
    path = shared_data / "biomedgpt_labels/MedMNIST" / f"{name}_class2label.pkl"
    assert {label: text for text, label in read_plain_pickle(path).items()} == card(name).answers
