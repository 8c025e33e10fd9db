"""A working folder with a few products, as the stages find them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.config import Params
from components.lineage import hash_bytes
from components.profiles.overlay import merge, read_profile
from components.records import Article, Example, ImageRecord, Overlap, write_records
from components.schema import validate

SMALL: dict[str, Any] = {
    "datasets": ["vqa_rad"],
    "pretrained_on": ["vqa_rad"],
    "pretraining_sources": [],
    "zero_shot_on": [],
    "compute": {"device": "cpu"},
    "build_vocabulary": {"num_merges": 20, "num_codes": 8, "num_bins": 10},
    "fit_image_tokenizer": {"steps": 3, "channels": 4, "latent": 4, "image_px": 16, "batch": 4},
    "tokenize_images": {"image_px": 16, "batch": 4, "min_quality": {"every": {"psnr_db": 0.0}}},
}
NUM_IMAGES = 23
Configure = Callable[..., Params]


def make_picture(number: int) -> ImageRecord:
    """A PNG of noise, named by its content."""
    pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    content = buffer.getvalue()
    modality = ("ct", "xray")[number % 2]
    return ImageRecord(hash_bytes(content), content, "PNG", 24, 20, modality, f"image#{number}")


@pytest.fixture
def configure() -> Configure:
    """The demo's parameters, small, with changes."""

    def change(**sections: Any) -> Params:
        values = merge(merge(read_profile("demo"), SMALL, "small"), sections, "test")
        return validate(Params, values, "test")

    return change


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> Path:
    """The folder with cards, and a set of examples with images; the test works in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/cards").symlink_to(repository / "data/cards")
    pictures = [make_picture(i) for i in range(NUM_IMAGES)]
    examples = [
        Example(str(i), "vqa_rad", "vqa", "train", " is it?", " yes", image_id=picture.id)
        for i, picture in enumerate(pictures)
    ]
    for folder in ("data/examples/vqa_rad", "data/instructions"):
        write_records(Path(folder, "examples.parquet"), Example, examples)
        write_records(Path(folder, "images.parquet"), ImageRecord, pictures)
    write_records(Path("data/audit/left_out.parquet"), Overlap, [])
    write_records(Path("data/articles/images/a.parquet"), ImageRecord, [])
    write_records(Path("data/articles/articles/a.parquet"), Article, [])
    return tmp_path
