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
from components.tasks.negatives import NegativePool, draw_other, show_text
from components.tasks.pretraining import (
    detect_objects,
    infill_codes,
    infill_window,
    match_example,
    pair_example,
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
    pool = NegativePool.of([QUESTION])
    assert outcomes(QUESTION, pool) == {
        (' what is the answer to question " is it? ". is " yes "?', " yes"),
        (' what is the answer to question " is it? ". is " no "?', " no"),
    }


def test_a_matching_example_keeps_its_image_and_gives_the_decoder_nothing() -> None:
    made = match_example(QUESTION, NegativePool.of([QUESTION]), np.random.default_rng(0))
    assert (made.image_id, made.prefix, made.references) == ("i", "", ["yes"])


def wrong_texts(item: Example, pool: NegativePool, num: int = 200) -> list[str]:
    """What is drawn for an item, with as many seeds."""
    return [pool.draw(item, np.random.default_rng(seed)) for seed in range(num)]


def test_a_wrong_answer_is_another_to_the_same_question() -> None:
    others = [replace(QUESTION, target=f" {text}") for text in ("no", "unclear")]
    others.append(replace(QUESTION, target=" liver", source=" which organ?"))
    assert set(wrong_texts(QUESTION, NegativePool.of(others))) == {"no", "unclear"}


@pytest.mark.parametrize(
    ("truth", "expected"),
    [("yes", {"no"}), ("two", {"liver", "lung"}), ("3", {"2", "4"}), ("liver", {"lung"})],
)
def test_else_it_is_one_of_the_same_kind(truth: str, expected: set[str]) -> None:
    """A question that is asked once has no other answer, and still is asked about wrongly."""
    known = [
        replace(QUESTION, target=f" {text}", source=f" question {i}?")
        for i, text in enumerate(("liver", "lung", "2", "3", "4"))
    ]
    once = replace(QUESTION, target=f" {truth}", source=" asked once?")
    assert set(wrong_texts(once, NegativePool.of(known))) == expected


def test_of_wrong_captions_that_name_an_object_two_in_five_have_it_exchanged() -> None:
    item = replace(CAPTION, target=" A rib near the soft tissue, ribs")
    pool = NegativePool.of(
        [item, replace(CAPTION, target=" A heart")], ["rib", "soft tissue", "Soft Tissue", "lung"]
    )
    drawn = wrong_texts(item, pool, 1000)
    swapped = {
        "a lung near the soft tissue, ribs",  # whole words: ribs is another
        "a soft tissue near the soft tissue, ribs",
        "a rib near the lung, ribs",
        "a rib near the rib, ribs",
    }
    assert set(drawn) == {"a heart", *swapped}
    assert abs(drawn.count("a heart") / 1000 - 0.6) < 0.05


def test_without_objects_every_wrong_caption_is_another_images() -> None:
    pool = NegativePool.of([CAPTION, replace(CAPTION, target=" A heart")], ["lung", "liver"])
    assert set(wrong_texts(CAPTION, pool)) == {"a heart"}


def test_half_of_the_matching_examples_are_true() -> None:
    pool = NegativePool.of([QUESTION])
    made = [match_example(QUESTION, pool, np.random.default_rng(seed)) for seed in range(1000)]
    assert abs(sum(example.target == " yes" for example in made) / 1000 - 0.5) < 0.05


@given(st.sets(st.text("abc", max_size=3)), st.text("abc", max_size=3), SEEDS)
@settings(deadline=None)
def test_another_is_drawn_where_there_is_one(options: set[str], truth: str, seed: int) -> None:
    drawn = draw_other(sorted(options), truth, np.random.default_rng(seed))
    others = options - {truth}
    assert drawn in others if others else drawn == ""


def test_others_are_drawn_evenly() -> None:
    drawn = [draw_other(["a", "b", "c"], "b", np.random.default_rng(seed)) for seed in range(400)]
    assert abs(drawn.count("a") - 200) < 40
    assert drawn.count("b") == 0


def test_a_pair_is_learnt_in_lower_case_and_thirty_words_without_a_prefix() -> None:
    long = replace(CAPTION, target=" Left-lung, " + "word " * 40)
    made = pair_example(long)
    assert made.source == " what does the image describe?"
    assert made.target.split(" ")[1:4] == ["left", "lung,", "word"]
    assert len(made.target.split()) == 30
    asked = pair_example(QUESTION)
    assert (asked.source, asked.target, asked.prefix) == (" is it?", " yes", "")


@given(st.lists(st.text("aB -/,", min_size=1, max_size=4), min_size=1, max_size=8), SEEDS)
@settings(deadline=None)
def test_what_is_called_wrong_never_reads_like_the_truth(captions: list[str], seed: int) -> None:
    examples = [replace(CAPTION, target=f" {text}") for text in captions]
    rng = np.random.default_rng(seed)
    truth = match_example(examples[0], NegativePool(), rng)
    made = match_example(examples[0], NegativePool.of(examples), rng)
    assert truth.target == " yes"
    assert show_text(examples[0]) in truth.source
    assert (made.source == truth.source) == (made.target == " yes")


@given(st.lists(st.integers(0, 15), max_size=20))
@FIXTURE
def test_image_infilling_names_codes_only(vocabulary: Vocabulary, codes: list[int]) -> None:
    encoded = infill_codes(codes, vocabulary)
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
        infill_codes([16], vocabulary)


@given(st.text("ab cd.", min_size=1, max_size=200), SEEDS, st.floats(0.1, 0.9))
@FIXTURE
def test_text_infilling_restores_its_window(
    vocabulary: Vocabulary, text: str, seed: int, ratio: float
) -> None:
    rng = np.random.default_rng(seed)
    window = vocabulary.encode(f" {text.strip()}")[: text_room(vocabulary, 48)]
    encoded = infill_window(window, vocabulary, ratio, 48, rng)
    prompt = vocabulary.encode(' what is the complete text of " "?')
    end = vocabulary.encode(' "?')
    assert len(encoded.source) <= 48
    assert encoded.source[: len(prompt) - len(end) + 1] == [BOS, *prompt[: -len(end)]]
    assert encoded.source[-len(end) - 1 :] == [*end, EOS]
    assert vocabulary.mask_id in encoded.source
    assert encoded.target == [*window, EOS]
    assert encoded.num_cut == 0
    again = infill_window(window, vocabulary, ratio, 48, np.random.default_rng(seed))
    assert again == encoded


def test_a_window_that_does_not_fit_is_refused(vocabulary: Vocabulary) -> None:
    room = text_room(vocabulary, 48)
    with pytest.raises(ValueError, match=f"a window of {room + 1} tokens, where {room} fit"):
        infill_window([5] * (room + 1), vocabulary, 0.3, 48, np.random.default_rng(0))


def test_detection_names_four_bins_and_a_label_for_each_box(vocabulary: Vocabulary) -> None:
    boxes = [([0.0, 0.0, 256.0, 512.0], "rib"), ([512.0, 256.0, 0.0, 900.0], "lung")]
    encoded = detect_objects(boxes, vocabulary, 40)
    first = vocabulary.bin_id(0)
    bins = [[first + i for i in (0, 0, 4, 9)], [first + i for i in (9, 4, 0, 9)]]
    labels = [vocabulary.encode(" rib"), vocabulary.encode(" lung")]
    assert encoded.source[1:-1] == vocabulary.encode(" what are the objects in the image?")
    assert encoded.target == [*bins[0], *labels[0], *bins[1], *labels[1], EOS]


def test_objects_that_do_not_fit_are_left_out_whole(vocabulary: Vocabulary) -> None:
    boxes = [([0.0, 0.0, 9.0, 9.0], label) for label in ("rib", "a left lung", "rib")]
    lengths = [4 + len(vocabulary.encode(f" {label}")) for _, label in boxes]
    fits = detect_objects(boxes, vocabulary, sum(lengths) + 1)
    assert (len(fits.target), fits.num_cut) == (sum(lengths) + 1, 0)
    for max_tokens, kept in ((sum(lengths), 2), (lengths[0] + 2, 1), (2, 0)):
        made = detect_objects(boxes, vocabulary, max_tokens)
        assert made.target == [*fits.target[: sum(lengths[:kept])], EOS]
        assert made.num_cut == sum(lengths[kept:])  # the last ones, though one might fit


def test_the_released_ids_of_the_infilling_prompt(shared_data: Path) -> None:
    folder = shared_data / "bpe"
    released = read_vocabulary(
        folder / "encoder.json", folder / "vocab.bpe", folder / "dict.txt", 8192, 1000
    )
    encoded = infill_window(released.encode(" yes"), released, 0.3, 512, np.random.default_rng(1))
    assert encoded.source[:8] == [BOS, 99, 16, 5, 1498, 2788, 9, 22]
    assert set(encoded.source[8:-3]) == {50264}
    assert encoded.source[-3:] == [22, 116, EOS]
    assert encoded.target == [4420, EOS]
