"""Exams: what is asked, beside which baseline, and under which conditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from components.cards import Card
from components.config import EvaluateParams, Params
from components.errors import UserError
from components.evaluation.baselines import fit_baseline
from components.evaluation.conditions import CHOSEN, FULL, NO_QUESTION, OPEN, OTHER_ANSWERS
from components.evaluation.examine import (
    INSTRUCTION,
    Exam,
    read_exam,
    read_zero_shot_exam,
    sit_exam,
)
from components.evaluation.predict import Answerer
from components.evaluation.summary import summarize
from components.profiles.overlay import read_profile
from components.records import Example, ImageRecord, Prediction
from components.schema import validate
from tests.components.evaluation.conftest import ask, choose, infer, make_example

LoadCard = Callable[[str], Card]
Place = Callable[[list[Example]], Path]


@pytest.fixture(scope="session")
def params() -> EvaluateParams:
    return validate(Params, read_profile("demo"), "demo").evaluate


def sit(exam: Exam, answerer: Answerer, params: EvaluateParams) -> list[Prediction]:
    return sit_exam(exam, answerer, params, size="debug", seed=7)


def describe(num: int = 6) -> list[Example]:
    """Captions of no image: text is free."""
    return [make_example("caption", i, {"caption": f"a rib {i}"}) for i in range(num)]


def test_without_test_examples_there_is_no_exam(card: LoadCard, place: Place) -> None:
    folder = place([example for example in choose() if example.split == "train"])
    with pytest.raises(UserError, match="has no test examples") as caught:
        read_exam(card("medmcqa"), folder)
    assert str(folder / "examples.parquet") in str(caught.value)
    assert "derived_test" in caught.value.next_command


def test_without_train_examples_there_is_no_baseline(
    card: LoadCard, place: Place, answerer: Answerer, params: EvaluateParams
) -> None:
    folder = place([example for example in choose() if example.split == "test"])
    with pytest.raises(UserError, match="no training example"):
        sit(read_exam(card("medmcqa"), folder), answerer, params)


def test_an_exam_parts_the_splits(card: LoadCard, place: Place) -> None:
    examples = choose()
    exam = read_exam(card("medmcqa"), place(examples))
    assert exam.train == [example for example in examples if example.split == "train"]
    assert exam.test == [example for example in examples if example.split == "test"]
    assert exam.task.name == "answer"


@pytest.mark.parametrize(
    ("name", "baseline"),
    [
        ("vqa_rad", "candidates"),
        ("pneumoniamnist", "candidates"),
        ("pubmedqa", "candidates"),
        ("medmcqa", "options"),
        ("meqsum", "text"),
    ],
)
def test_the_baseline_fits_how_answers_are_given(
    card: LoadCard, place: Place, name: str, baseline: str
) -> None:
    folder = place(choose())
    assert read_exam(card(name), folder).baseline == baseline
    assert read_zero_shot_exam(card(name), folder).baseline == baseline


def test_zero_shot_offers_no_train_answers(
    card: LoadCard, place: Place, images: list[ImageRecord]
) -> None:
    exam = read_zero_shot_exam(card("vqa_rad"), place(ask(images)))
    assert exam.card.candidates == "none"
    assert exam.candidates == [[]] * len(exam.test)
    assert exam.task.name == INSTRUCTION
    assert {(example.task, example.prefix) for example in exam.test} == {(INSTRUCTION, "")}
    assert card("vqa_rad").candidates == "train"


@pytest.mark.parametrize(("name", "kind"), [("mednli", "fixed"), ("medmcqa", "options")])
def test_zero_shot_keeps_answers_that_the_question_names(
    card: LoadCard, place: Place, name: str, kind: str
) -> None:
    assert read_zero_shot_exam(card(name), place(choose())).card.candidates == kind


def test_every_test_item_is_answered_under_every_condition(
    card: LoadCard,
    place: Place,
    images: list[ImageRecord],
    answerer: Answerer,
    params: EvaluateParams,
) -> None:
    exam = read_exam(card("vqa_rad"), place(ask(images)))
    predictions = sit(exam, answerer, params)
    asked = [example.id for example in exam.test]
    assert len(params.conditions) == 7
    for condition in params.conditions:
        assert [p.id for p in predictions if p.condition == condition] == asked
    assert len(predictions) == 7 * len(asked)
    offered = {example.target.strip() for example in exam.train}
    own_list = [p for p in predictions if p.condition != OTHER_ANSWERS]
    assert {prediction.prediction for prediction in own_list} <= offered
    full, blank = predictions[: len(asked)], predictions[len(asked) : 2 * len(asked)]
    assert all(f.log_probability != b.log_probability for f, b in zip(full, blank, strict=True))
    for prediction, example in zip(full, exam.test, strict=True):
        assert prediction.target == example.references[0]
        assert prediction.references == example.references
        assert (prediction.size, prediction.group) == ("debug", example.group)
        assert prediction.image_id == example.image_id != ""


def test_the_list_with_the_test_answers_is_told_beside_the_other(
    card: LoadCard, place: Place, images: list[ImageRecord], answerer: Answerer,
    params: EvaluateParams, tmp_path: Path,
) -> None:  # fmt: skip
    """One evaluation has both: rows of predictions, sizes, a score under each and their paired
    difference; from the other side it is the same; a repetition asks nothing anew."""
    folder = place(ask(images))
    exam = read_exam(card("vqa_rad"), folder)
    by_paper = read_exam(card("vqa_rad").model_copy(update={"candidates": "paper"}), folder)
    assert exam.others == by_paper.candidates and by_paper.others == exam.candidates
    known = {example.target for example in exam.train}
    asked = {example.target for example in exam.test}
    told = exam.describe_answers()
    assert told["num_candidates"] == len(known) and told["answers_outside"] == 100
    assert told["other"] == {
        "candidates": "paper", "num_candidates": len(known | asked), "answers_outside": 0.0,
    }  # fmt: skip
    kept = tmp_path / "kept"
    rows = sit_exam(exam, answerer, params, size="debug", seed=7, kept=kept)
    other = [p for p in rows if p.condition == OTHER_ANSWERS]
    assert [p.prediction for p in other] == [
        p.prediction for p in sit(by_paper, answerer, params) if p.condition == FULL
    ]
    of = summarize(rows, exam.card, params, seed=7)["scores"]["vqa_accuracy"]["all"]
    share = 100 * sum(p.prediction in p.references for p in other) / len(other)
    assert of["value"] == 0 and of["conditions"][OTHER_ANSWERS]["value"] == pytest.approx(share)
    assert of["conditions"][OTHER_ANSWERS]["gain"] == pytest.approx(-share)
    before = {path: path.stat().st_mtime_ns for path in kept.iterdir()}
    again = sit_exam(exam, answerer, params, size="debug", seed=7, kept=kept)
    assert again == rows
    assert before == {path: path.stat().st_mtime_ns for path in kept.iterdir()}


def test_a_list_that_is_the_same_one_is_not_asked_again(
    card: LoadCard, place: Place, images: list[ImageRecord], params: EvaluateParams
) -> None:
    rows = [replace(e, target=" left", references=["left"]) for e in ask(images)]
    exam = read_exam(card("vqa_rad"), place(rows))
    assert exam.others == exam.candidates
    assert OTHER_ANSWERS not in exam.find_conditions(params.conditions)
    fixed = read_exam(card("mednli"), place(infer()))
    assert not fixed.others and "other" not in fixed.describe_answers()
    assert fixed.find_conditions(params.conditions) == [FULL]


def test_items_without_images_are_answered_with_and_without_their_question(
    card: LoadCard, place: Place, answerer: Answerer, params: EvaluateParams
) -> None:
    exam = read_exam(card("medmcqa"), place(choose()))
    predictions = sit(exam, answerer, params)
    num = len(exam.test)
    assert [p.condition for p in predictions] == [FULL] * num + [NO_QUESTION] * num
    for prediction, example in zip(predictions, [*exam.test] * 2, strict=True):
        assert f" {prediction.prediction}" in example.candidates


@pytest.mark.parametrize("name", ["vqa_rad", "medmcqa", "mednli", "iu_xray"])
def test_the_baseline_s_answers_stand_beside_the_model_s(
    card: LoadCard,
    place: Place,
    images: list[ImageRecord],
    answerer: Answerer,
    params: EvaluateParams,
    name: str,
) -> None:
    examples = {
        "vqa_rad": ask(images),
        "medmcqa": choose(),
        "mednli": infer(),
        "iu_xray": describe(),
    }
    exam = read_exam(card(name), place(examples[name]))
    guess = fit_baseline(exam.train, exam.baseline, seed=7)
    expected = {example.id: guess(example).strip() for example in exam.test}
    predictions = sit(exam, answerer, params)
    assert all(prediction.baseline == expected[prediction.id] for prediction in predictions)
    assert all(expected.values())
    scores = summarize(predictions, exam.card, params, seed=7)
    assert {"baseline", "baseline_gain"} <= scores["scores"][scores["headline"]]["all"].keys()


def test_a_zero_shot_exam_can_be_sat(
    card: LoadCard,
    place: Place,
    images: list[ImageRecord],
    answerer: Answerer,
    params: EvaluateParams,
) -> None:
    exam = read_zero_shot_exam(card("vqa_rad"), place(ask(images)))
    predictions = sit(exam, answerer, params)
    tried = [name for name in params.conditions if name != OTHER_ANSWERS]  # a free text has no list
    assert [p.condition for p in predictions] == [name for name in tried for _ in range(3)]
    assert all(prediction.baseline for prediction in predictions)


def test_a_zero_shot_exam_can_be_answered_out_of_the_set(
    card: LoadCard,
    place: Place,
    images: list[ImageRecord],
    answerer: Answerer,
    params: EvaluateParams,
) -> None:
    folder = place(ask(images))
    chosen, free = (read_zero_shot_exam(card("vqa_rad"), folder, w) for w in (CHOSEN, OPEN))
    assert chosen.candidates == read_exam(card("vqa_rad"), folder).candidates
    assert free.candidates == read_zero_shot_exam(card("vqa_rad"), folder).candidates
    offered = {example.target.strip() for example in chosen.train}
    assert {p.prediction for p in sit(chosen, answerer, params)} <= offered
    fixed = place(infer())
    assert read_zero_shot_exam(card("mednli"), fixed, OPEN).candidates[0] == []
    assert read_zero_shot_exam(card("mednli"), fixed).candidates[0] != []
