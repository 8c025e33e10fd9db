"""Small images on disk, a vocabulary, and material for the feeds."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.dataset.images import ImageStore
from components.dataset.pretrain_feed import PretrainMaterial
from components.dataset.windows import Documents
from components.records import Example, ImageRecord, write_records
from components.tokenization.vocabulary import Vocabulary, train_vocabulary

NUM = 11


def make_image(number: int, width: int = 12, height: int = 10) -> ImageRecord:
    """A PNG of noise, named by its content."""
    pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    content = buffer.getvalue()
    name = hashlib.sha256(content).hexdigest()
    return ImageRecord(name, content, "PNG", width, height, "", f"image#{number}")


def make_examples(images: list[ImageRecord]) -> list[Example]:
    """Questions of different lengths, one per image."""
    return [
        Example(
            id=str(i),
            dataset="set",
            task="vqa",
            split="train" if i < NUM - 2 else "test",
            source=f" is there{' a' * i} rib?",
            target=f" answer {i}",
            references=[f"answer {i}"],
            prefix=" is there a rib?",
            image_id=image.id,
        )
        for i, image in enumerate(images)
    ]


@pytest.fixture(scope="session")
def images() -> list[ImageRecord]:
    return [make_image(i) for i in range(NUM)]


@pytest.fixture(scope="session")
def examples(images: list[ImageRecord]) -> list[Example]:
    return make_examples(images)


@pytest.fixture(scope="session")
def image_file(tmp_path_factory: pytest.TempPathFactory, images: list[ImageRecord]) -> Path:
    path = tmp_path_factory.mktemp("images") / "images.parquet"
    write_records(path, ImageRecord, images)
    return path


@pytest.fixture(scope="session")
def store(image_file: Path) -> ImageStore:
    return ImageStore([image_file], 16)


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return train_vocabulary([" is there a rib? answer"] * 3, 20, num_codes=16, num_bins=10)


@pytest.fixture(scope="session")
def material(images: list[ImageRecord], examples: list[Example]) -> PretrainMaterial:
    texts = [f"text number {i}, a rib and {'more ' * i}" for i in range(7)]
    codes = [(image.id, [i, 1, 2, 3]) for i, image in enumerate(images[:5])]
    boxed = [
        Example(str(i), "boxes", "detect", "train", " what?", " rib lung", ["rib", "lung"])
        for i in range(3)
    ]
    boxes = [[1.0, 1.0, 5.0, 6.0], [6.0, 2.0, 11.0, 9.0]]
    detections = [
        replace(example, image_id=image.id, boxes=boxes)
        for example, image in zip(boxed, images, strict=False)
    ]
    return PretrainMaterial(examples, Documents(texts), codes, detections)
