"""Matching, infilling and detection: prompts, and what may and may not come out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.model.specials import BOS, EOS
from components.records import Example
from components.tasks.pretraining import (
    NegativePool,
    detect_objects,
    infill_image,
    infill_text,
    match_example,
    text_room,
)
from components.tokenization.vocabulary import Vocabulary, read_vocabulary

FIXTURE = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SEEDS = st.integers(0, 2**32 - 1)
CAPTION = Example("c", "set", "caption", "train", " what does the image describe?", " A Rib", ["x"])
QUESTION = Example(
    "q", "set", "vqa", "train", " is it?", " yes", ["yes"], prefix=" is it?", image_id="i"
)


def outcomes(item: Example, pool: NegativePool) -> set[tuple[str, str]]:
    """What sixty draws show: source and target."""
    made = [match_example(item, pool, np.random.default_rng(seed)) for seed in range(60)]
    return {(m.source, m.target) for m in made}


def test_matching_asks_about_the_right_and_a_wrong_caption() -> None:
    pool = NegativePool.of([CAPTION, replace(CAPTION, target=" Left-lung")])
    assert outcomes(CAPTION, pool) == {
        (' does the image describe " a rib "?', " yes"),
        (' does the image describe " left lung "?', " no"),
    }


def test_matching_asks_about_the_right_and_a_wrong_answer() -> None:
    pool = NegativePool.of([QUESTION, replace(QUESTION, target=" no")])
    assert outcomes(QUESTION, pool) == {
        (' what is the answer to question " is it? ". is " yes "?', " yes"),
        (' what is the answer to question " is it? ". is " no "?', " no"),
    }


def test_a_matching_example_keeps_its_image_and_gives_the_decoder_nothing() -> None:
    made = match_example(QUESTION, NegativePool.of([QUESTION]), np.random.default_rng(0))
    assert (made.image_id, made.prefix, made.references) == ("i", "", ["yes"])


def test_negatives_come_from_the_same_question() -> None:
    others = [
        replace(QUESTION, target=" liver", prefix=" which organ?"),
        replace(QUESTION, target=" words", task="caption"),
    ]
    assert {target for _, target in outcomes(QUESTION, NegativePool.of(others))} == {" yes"}


@given(st.lists(st.text("aB -/,", min_size=1, max_size=4), min_size=1, max_size=8), SEEDS)
@settings(deadline=None)
def test_what_is_called_wrong_never_reads_like_the_truth(captions: list[str], seed: int) -> None:
    examples = [replace(CAPTION, target=f" {text}") for text in captions]
    rng = np.random.default_rng(seed)
    truth = match_example(examples[0], NegativePool({}), rng)
    made = match_example(examples[0], NegativePool.of(examples), rng)
    assert truth.target == " yes"
    assert (made.source == truth.source) == (made.target == " yes")


@given(st.lists(st.integers(0, 15), max_size=20))
@FIXTURE
def test_image_infilling_names_codes_only(vocabulary: Vocabulary, codes: list[int]) -> None:
    encoded = infill_image(codes, vocabulary)
    first = vocabulary.code_id(0)
    assert encoded.source == [
        BOS,
        *vocabulary.encode(" what is the image in the middle part?"),
        EOS,
    ]
    assert [token - first for token in encoded.target[:-1]] == codes
    assert encoded.prev == [BOS, *encoded.target[:-1]]
    assert encoded.labels[-1] == EOS


def test_a_code_out_of_range_is_refused(vocabulary: Vocabulary) -> None:
    with pytest.raises(ValueError, match=r"image code 16 is not in \[0, 16\)"):
        infill_image([16], vocabulary)


@given(st.text("ab cd.", min_size=1, max_size=200), SEEDS, st.floats(0.1, 0.9))
@FIXTURE
def test_text_infilling_restores_its_window(
    vocabulary: Vocabulary, text: str, seed: int, ratio: float
) -> None:
    rng = np.random.default_rng(seed)
    window = vocabulary.encode(f" {text.strip()}")[: text_room(vocabulary, 48)]
    encoded = infill_text(window, vocabulary, ratio, 48, rng)
    prompt = vocabulary.encode(' what is the complete text of " "?')
    end = vocabulary.encode(' "?')
    assert len(encoded.source) <= 48
    assert encoded.source[: len(prompt) - len(end) + 1] == [BOS, *prompt[: -len(end)]]
    assert encoded.source[-len(end) - 1 :] == [*end, EOS]
    assert vocabulary.mask_id in encoded.source
    assert encoded.target == [*window, EOS]
    assert encoded.num_cut == 0
    again = infill_text(window, vocabulary, ratio, 48, np.random.default_rng(seed))
    assert again == encoded


def test_a_window_that_does_not_fit_is_refused(vocabulary: Vocabulary) -> None:
    room = text_room(vocabulary, 48)
    with pytest.raises(ValueError, match=f"a window of {room + 1} tokens, where {room} fit"):
        infill_text([5] * (room + 1), vocabulary, 0.3, 48, np.random.default_rng(0))


def test_detection_names_four_bins_and_a_label_for_each_box(vocabulary: Vocabulary) -> None:
    boxes = [([0.0, 0.0, 256.0, 512.0], "rib"), ([512.0, 256.0, 0.0, 900.0], "lung")]
    encoded = detect_objects(boxes, vocabulary)
    first = vocabulary.bin_id(0)
    bins = [[first + i for i in (0, 0, 4, 9)], [first + i for i in (9, 4, 0, 9)]]
    labels = [vocabulary.encode(" rib"), vocabulary.encode(" lung")]
    assert encoded.source[1:-1] == vocabulary.encode(" what are the objects in the image?")
    assert encoded.target == [*bins[0], *labels[0], *bins[1], *labels[1], EOS]


def test_the_released_ids_of_the_infilling_prompt(shared_data: Path) -> None:
    folder = shared_data / "bpe"
    released = read_vocabulary(
        folder / "encoder.json", folder / "vocab.bpe", folder / "dict.txt", 8192, 1000
    )
    encoded = infill_text(released.encode(" yes"), released, 0.3, 512, np.random.default_rng(1))
    assert encoded.source[:8] == [BOS, 99, 16, 5, 1498, 2788, 9, 22]
    assert set(encoded.source[8:-3]) == {50264}
    assert encoded.source[-3:] == [22, 116, EOS]
    assert encoded.target == [4420, EOS]
