"""Every pretraining task as a model sees it, in text and ids: tests/golden/pretraining/<task>.json.

Each file holds the same example under two vocabularies: ``small``, which is learnt here, and
``released``, GPT-2's BPE in OFA's order, where its files lie beside the repository. After a change
that is meant to change them, write them anew and read the difference:

    REGENERATE_GOLDEN=1 python -m pytest tests/components/tasks && git diff tests/golden
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.model.specials import BOS, EOS
from components.records import Example
from components.tasks.encoding import EncodedExample, encode_example
from components.tasks.negatives import NegativePool
from components.tasks.pretraining import (
    detect_objects,
    infill_codes,
    infill_window,
    match_example,
    pair_example,
)
from components.tasks.registry import TASKS
from components.tokenization.text import space_words
from components.tokenization.vocabulary import Vocabulary, read_vocabulary

FOLDER = Path(__file__).resolve().parents[2] / "golden/pretraining"
CAPTION = Example(
    "c", "set", "caption", "train", " what does the image describe?",
    " Axial CT shows a low-density lesion of the liver", image_id="i",
)  # fmt: skip
OTHER = replace(CAPTION, id="d", target=" Chest film with a fracture of the left rib")
QUESTION = Example(
    "q", "set", "vqa", "train", " is there a fracture of the left rib?", " yes",
    prefix=" is there a fracture of the left rib?", image_id="i",
)  # fmt: skip
POOL = NegativePool.of([CAPTION, OTHER, QUESTION], ["liver", "lung", "kidney"])
TEXT = "There is a fracture of the left rib. What is the complete text of the article?"
BOXES = [([12.0, 30.0, 180.5, 256.0], "liver"), ([0.0, 0.0, 64.0, 64.0], "soft tissue")]


def encode(example: Example, vocabulary: Vocabulary) -> EncodedExample:
    return encode_example(example, TASKS[example.task], vocabulary, 128, 64)


def match(example: Example, seed: int, vocabulary: Vocabulary) -> EncodedExample:
    return encode(match_example(example, POOL, np.random.default_rng(seed)), vocabulary)


def infill(vocabulary: Vocabulary) -> EncodedExample:
    window = vocabulary.encode(space_words(TEXT))
    return infill_window(window, vocabulary, 0.3, 128, np.random.default_rng(3))


# Seeds are those of a true example, a wrong one, and a caption with an exchanged object.
MADE: dict[str, Callable[[Vocabulary], EncodedExample]] = {
    "caption": lambda v: encode(pair_example(CAPTION), v),
    "vqa": lambda v: encode(pair_example(QUESTION), v),
    "matching_caption_true": lambda v: match(CAPTION, 1, v),
    "matching_caption_wrong": lambda v: match(CAPTION, 8, v),
    "matching_caption_swapped": lambda v: match(CAPTION, 2, v),
    "matching_answer_true": lambda v: match(QUESTION, 1, v),
    "matching_answer_wrong": lambda v: match(QUESTION, 2, v),
    "text_infilling": infill,
    "image_infilling": lambda v: infill_codes([3, 0, 15, 7], v),
    "detection": lambda v: detect_objects(BOXES, v, 64),
}
ANSWERS = {"true": " yes", "wrong": " no", "swapped": " no"}


def describe(encoded: EncodedExample, vocabulary: Vocabulary) -> dict[str, str]:
    """What encoder and decoder see, in ids and in words."""
    return {
        "source": vocabulary.decode(encoded.source),
        "target": vocabulary.decode(encoded.target),
        "source_ids": write_ids(encoded.source),
        "prev_ids": write_ids(encoded.prev),
        "target_ids": write_ids(encoded.labels),
    }


def write_ids(ids: Sequence[int]) -> str:
    """Ids with spaces between them, so that a file has a line for each list."""
    return " ".join(map(str, ids))


@pytest.fixture(scope="session")
def released(shared_data: Path) -> Vocabulary:
    """The vocabulary of the published models: 59,457 ids."""
    bpe = shared_data / "bpe"
    names = ("encoder.json", "vocab.bpe", "dict.txt")
    return read_vocabulary(*(bpe / name for name in names), 8192, 1000)  # type: ignore[arg-type]


def check(task: str, kind: str, vocabulary: Vocabulary) -> EncodedExample:
    encoded = MADE[task](vocabulary)
    made = describe(encoded, vocabulary)
    path = FOLDER / f"{task}.json"
    known = json.loads(path.read_text()) if path.is_file() else {}
    if os.environ.get("REGENERATE_GOLDEN"):
        known[kind] = made
        FOLDER.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known, indent=1) + "\n")
    assert known[kind] == made
    assert encoded.source[0] == encoded.prev[0] == BOS
    assert encoded.labels == [*encoded.prev[1:], EOS]  # nothing stands before the target
    if task.startswith("matching"):
        assert made["target"] == ANSWERS[task.rpartition("_")[2]]
    return encoded


@pytest.mark.parametrize("task", MADE)
def test_a_task_under_the_small_vocabulary(task: str, vocabulary: Vocabulary) -> None:
    check(task, "small", vocabulary)


@pytest.mark.parametrize("task", MADE)
def test_a_task_under_the_released_vocabulary(task: str, released: Vocabulary) -> None:
    made = check(task, "released", released)
    if task == "caption":  # measured with the reference's own code
        assert made.source == [BOS, 99, 473, 5, 2274, 6190, 116, EOS]
    if task.startswith("matching"):
        answer = ANSWERS[task.rpartition("_")[2]]
        assert made.target == [{" yes": 4420, " no": 117}[answer], EOS]
    if task == "image_infilling":
        assert made.target == [50265 + 3, 50265, 50265 + 15, 50265 + 7, EOS]
    if task == "detection":
        bins = [58457 + round(value / 512 * 999) for value in BOXES[0][0]]
        assert made.target[:4] == bins


def test_no_golden_file_is_left_over() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(MADE)
