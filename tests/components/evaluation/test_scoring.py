"""Answers that do not fit the split, or mean nothing, are refused and named."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from components.errors import UserError
from components.evaluation.conditions import BLANK, FULL
from components.evaluation.scoring import check_split, split_conditions
from components.records import Example, Prediction


def answer(number: int, condition: str = FULL, log_probability: float = -1.0) -> Prediction:
    return Prediction(
        id=f"toy/{number}", dataset="toy", size="debug", condition=condition, prediction="yes",
        target="yes", references=["yes"], log_probability=log_probability, baseline="no",
        category="", group="", image_id="", source="q", options=["yes", "no"],
        option_log_probabilities=[-0.1, -2.0],
    )  # fmt: skip


def ask(number: int) -> Example:
    return Example(f"toy/{number}", "toy", "vqa", "test", "q", "yes")


TEST = [ask(number) for number in range(3)]
WHOLE = [answer(number, condition) for number in range(3) for condition in (FULL, BLANK)]


def test_answers_to_the_whole_split_pass() -> None:
    check_split(WHOLE, TEST, "toy")


@pytest.mark.parametrize(
    ("predictions", "told"),
    [
        (WHOLE[2:], "asked but not answered: 1 items, as toy/0"),
        ([*WHOLE, answer(9), answer(9, BLANK)], "answered but not asked: 1 items, as toy/9"),
        ([*WHOLE, answer(1)], "answered more than once: 1 items, as toy/1"),
        ([*WHOLE, answer(1, BLANK)], "condition blank: answered more than once"),
        (WHOLE[:-1], "condition blank: asked but not answered: 1 items, as toy/2"),
        ([], "no prediction to score"),
    ],
)
def test_what_does_not_match_the_split_is_named(predictions: list[Prediction], told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        check_split(predictions, TEST, "toy")
    assert caught.value.next_command.startswith("dvc repro evaluate")


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        check_split([answer(1), answer(8)], TEST, "toy")
    assert "not asked: 1" in str(caught.value) and "not answered: 2" in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_answer_without_a_finite_log_probability_is_refused(value: float) -> None:
    with pytest.raises(UserError, match="toy/7") as caught:
        split_conditions([answer(1), answer(7, log_probability=value)], "toy")
    assert "overflowed" in str(caught.value)


def test_an_option_without_a_log_probability_is_refused() -> None:
    odd = replace(answer(2), option_log_probabilities=[-0.1, math.nan])
    with pytest.raises(UserError, match="no finite log-probability"):
        split_conditions([answer(1), odd], "toy")
    never = replace(answer(2), option_log_probabilities=[-0.1, -math.inf])
    split_conditions([answer(1), never], "toy")
