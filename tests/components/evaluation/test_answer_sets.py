"""Answer sets: which one is used, and whether it gives test answers away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from components.cards import Card
from components.dataset.answer_sets import candidate_sets
from components.evaluation.answer_sets import describe_answer_set
from components.evaluation.examine import read_exam
from components.records import Example, ImageRecord
from tests.components.evaluation.conftest import ask, choose

LoadCard = Callable[[str], Card]


@pytest.fixture
def questions(images: list[ImageRecord]) -> list[Example]:
    return ask(images)


def use(card: Card, candidates: str) -> Card:
    """The card with answers from elsewhere."""
    return card.model_copy(update={"candidates": candidates})


def test_train_answers_never_come_from_the_test_split(
    card: LoadCard, questions: list[Example]
) -> None:
    train = [example for example in questions if example.split == "train"]
    test = [example for example in questions if example.split == "test"]
    sets = candidate_sets(card("vqa_rad"), train, test)
    assert sets == [sorted({example.target for example in train})] * len(test)
    assert not {example.target for example in test} & set(sets[0])


def test_fixed_answers_are_the_card_s_own(card: LoadCard, questions: list[Example]) -> None:
    sets = candidate_sets(card("pneumoniamnist"), questions, questions[:2])
    assert sets == [[" normal", " pneumonia"]] * 2
    assert candidate_sets(card("mednli"), [], questions[:1]) == [[" maybe", " no", " yes"]]


def test_options_are_each_record_s_own(card: LoadCard) -> None:
    examples = choose()
    sets = candidate_sets(card("medmcqa"), examples, examples)
    assert sets == [example.candidates for example in examples]
    assert len({tuple(options) for options in sets}) > 1


def test_a_free_text_has_no_candidates(card: LoadCard, questions: list[Example]) -> None:
    assert candidate_sets(card("iu_xray"), questions, questions[:2]) == [[], []]


def test_the_paper_s_list_holds_the_test_answers_too(
    card: LoadCard, questions: list[Example]
) -> None:
    known = [example for example in questions if example.split != "test"]
    test = [example for example in questions if example.split == "test"]
    sets = candidate_sets(use(card("vqa_rad"), "paper"), known, test)
    assert sets == [sorted({example.target for example in questions})] * len(test)


def test_validation_answers_belong_to_the_list(
    card: LoadCard, questions: list[Example], place: Callable[[list[Example]], object]
) -> None:
    held = next(example for example in questions if example.split == "train")
    rows = [replace(e, split="validation") if e == held else e for e in questions]
    exam = read_exam(card("vqa_rad"), place(rows))  # type: ignore[arg-type]
    assert held.target in exam.candidates[0]
    assert held not in exam.train


@pytest.mark.parametrize(("kind", "outside"), [("train", 200 / 3), ("paper", 0.0)])
def test_what_the_list_leaves_out_is_told(
    card: LoadCard, questions: list[Example], kind: str, outside: float
) -> None:
    test = [e for e in questions if e.split == "test"]
    known = [e for e in questions if e.split != "test"]
    known.append(replace(test[0], split="train", references=[], target=f" {test[0].target} ."))
    chosen = use(card("vqa_rad"), kind)
    sets = candidate_sets(chosen, known, test)
    told = describe_answer_set(chosen, test, sets)
    assert told == {"num_candidates": len(sets[0]), "answers_outside": round(outside, 4)}


def test_any_accepted_answer_is_enough(card: LoadCard, questions: list[Example]) -> None:
    test = [replace(questions[0], target=" unheard of", references=["unheard of", "Left"])]
    assert describe_answer_set(card("vqa_rad"), test, [[" left"]])["answers_outside"] == 0.0


def test_options_have_no_size_and_free_text_has_nothing(card: LoadCard) -> None:
    examples = choose()
    options = [example.candidates for example in examples]
    told = describe_answer_set(card("medmcqa"), examples, options)
    assert told == {"num_candidates": None, "answers_outside": 0.0}
    told = describe_answer_set(card("iu_xray"), examples, [[] for _ in examples])
    assert told == {"num_candidates": None, "answers_outside": None}
