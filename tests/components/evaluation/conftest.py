"""A debug model with random weights, a small vocabulary, and examples of every kind."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from components.cards import Card, load_card
from components.evaluation.predict import Answerer
from components.generation.constraints import SearchSettings
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.records import Example, ImageRecord, write_records
from components.tasks.base import Fields
from components.tasks.registry import TASKS
from components.tokenization.vocabulary import Vocabulary, train_vocabulary

IMAGE_PX, MAX_SOURCE_TOKENS = 32, 40
WORDS = ("left", "right", "lower left", "lower", "two ribs", "no", "normal", "none")


def make_image(number: int) -> ImageRecord:
    """A PNG of noise, named by its content."""
    pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    content = buffer.getvalue()
    name = hashlib.sha256(content).hexdigest()
    return ImageRecord(name, content, "PNG", 24, 20, "", f"image#{number}")


def make_example(task: str, number: int, fields: Fields, image_id: str = "") -> Example:
    """A record phrased as its task does; every third is a test item."""
    rendered = TASKS[task].render(fields)
    return Example(
        id=f"{task}/{number}",
        dataset=task,
        task=task,
        split="train" if number % 3 else "test",
        source=rendered.source,
        target=rendered.target,
        references=rendered.references,
        candidates=rendered.candidates,
        prefix=rendered.prefix,
        image_id=image_id,
        category="open" if number % 2 else "closed",
        group=f"group{number // 2}",
        origin=f"{task}#{number}",
    )


def ask(images: list[ImageRecord], num: int = 9) -> list[Example]:
    """Questions of different lengths about images; each test item's answer is its alone."""
    return [
        make_example(
            "vqa",
            number,
            {
                "question": f"what is seen in the {'very ' * (number % 4)}left rib {number}",
                "answer": WORDS[number % len(WORDS)] if number % 3 else f"only test {number}",
            },
            images[number % len(images)].id,
        )
        for number in range(num)
    ]


def choose(num: int = 9) -> list[Example]:
    """Text questions with four options of their own."""
    return [
        make_example(
            "answer",
            number,
            {
                "question": f"which {'rib ' * (number % 3)}is it",
                "options": [WORDS[(number + i) % len(WORDS)] for i in range(4)],
                "answer": WORDS[number % len(WORDS)],
            },
        )
        for number in range(num)
    ]


def infer(num: int = 9) -> list[Example]:
    """Pairs of texts: the decoder is given the whole source, and no eos ends the answer."""
    return [
        make_example(
            "understand",
            number,
            {
                "premise": f"the rib is{' very' * (number % 4)} normal",
                "hypothesis": f"there are {number} ribs",
                "label": ("yes", "no", "maybe")[number % 3],
            },
        )
        for number in range(num)
    ]


@pytest.fixture(scope="session")
def images() -> list[ImageRecord]:
    return [make_image(number) for number in range(4)]


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    texts = [" what is seen in the left rib? is it normal? yes no maybe", *WORDS]
    return train_vocabulary(texts * 3, 60, num_codes=8, num_bins=4)


@pytest.fixture(scope="session")
def model(vocabulary: Vocabulary) -> UnifiedModel:
    """Wide token embeddings, so that answers differ clearly."""
    torch.manual_seed(3)
    model = UnifiedModel(model_config("debug", vocabulary.size)).eval()
    with torch.no_grad():
        model.encoder.embed_tokens.weight.mul_(4)
    return model


@pytest.fixture(scope="session")
def answerer(model: UnifiedModel, vocabulary: Vocabulary) -> Answerer:
    return Answerer(
        model=model,
        vocabulary=vocabulary,
        image_px=IMAGE_PX,
        max_source_tokens=MAX_SOURCE_TOKENS,
        batch=4,
        device="cpu",
        search=SearchSettings(beam=2, max_length_b=8, no_repeat_ngram=3),
    )


@pytest.fixture
def card(repository: Path) -> Callable[[str], Card]:
    """A card by its name."""
    return lambda name: load_card(name, repository / "data/cards")


@pytest.fixture
def place(tmp_path: Path, images: list[ImageRecord]) -> Callable[[list[Example]], Path]:
    """Write examples and images as ``prepare`` does; returns their folder."""

    def write(examples: list[Example]) -> Path:
        write_records(tmp_path / "examples.parquet", Example, examples)
        write_records(tmp_path / "images.parquet", ImageRecord, images)
        return tmp_path

    return write
