"""A temperature makes confidence what it says: how often the answer is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cards import Card
from components.evaluation.cache import Answer
from components.evaluation.predict import Answerer
from components.evaluation.temperature import (
    calibrate,
    calibration_error,
    fit_calibration,
    fit_temperature,
    scale,
)
from components.records import Example, ImageRecord
from components.serving.confidence import rate_answer
from tests.components.evaluation.conftest import ask


def draw_answers(num: int, stretched: float, seed: int = 0) -> tuple[list[Answer], list[Example]]:
    """Answers that are right as often as their odds say, before these are stretched."""
    dice = np.random.default_rng(seed)
    answers, items = [], []
    for number in range(num):
        logs = dice.normal(0, 1.5, 4)
        true = dice.choice(4, p=np.exp(logs) / np.exp(logs).sum())
        order = np.argsort(-logs)
        told = logs * stretched - np.log(np.exp(logs * stretched).sum())
        options = [str(place) for place in order]
        answers.append(Answer(options[0], told[order[0]], options, told[order].tolist()))
        items.append(
            Example(str(number), "d", "vqa", "validation", "", str(true), group=str(number))
        )
    return answers, items


@pytest.mark.parametrize("stretched", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(stretched: float) -> None:
    answers, items = draw_answers(4000, stretched)
    found = fit_calibration(answers, items)
    assert found.temperature == pytest.approx(stretched, rel=0.15)
    assert found.error_after < 0.03 and found.num_items == 4000
    assert stretched == 1.0 or found.error_before > 2 * found.error_after
    (confidence, chances) = rate_answer(answers[0], found)
    assert confidence.value == pytest.approx(chances[0][1]) and chances[0][0] == answers[0].text
    assert sum(chance for _, chance in chances) == pytest.approx(1.0)


@pytest.mark.parametrize("is_right", [True, False])
def test_a_model_that_is_always_right_is_not_called_certain(is_right: bool) -> None:
    logs_NC = np.log(np.tile([0.9, 0.1], (30, 1)))
    right_N = np.full(30, is_right)
    sure = scale(logs_NC, fit_temperature(logs_NC, right_N))[0]
    assert 0.9 < sure < 0.99 if is_right else sure < 0.56  # two answers: never below a half


@given(st.lists(st.floats(-8, 0), min_size=2, max_size=6), st.floats(0.1, 10), st.floats(0.1, 10))
def test_a_higher_temperature_is_never_surer(logs: list[float], one: float, other: float) -> None:
    logs_NC = np.array([sorted(logs, reverse=True)])
    low, high = sorted((one, other))
    assert 1 / len(logs) - 1e-9 <= scale(logs_NC, high)[0] <= scale(logs_NC, low)[0] + 1e-9


def test_the_error_is_the_distance_of_confidence_and_accuracy() -> None:
    right_N = np.array([True, True, False, False])
    assert calibration_error(np.array([1.0, 1.0, 0.0, 0.0]), right_N) == 0
    assert calibration_error(np.full(4, 0.75), right_N) == pytest.approx(0.25)
    assert calibration_error(np.array([0.9, 0.9, 0.9, 0.1]), right_N) == pytest.approx(0.2)


def test_it_is_fitted_to_the_validation_split_of_a_closed_set(
    answerer: Answerer,
    card: Callable[[str], Card],
    place: Callable[[list[Example]], Path],
    images: list[ImageRecord],
) -> None:
    examples = [
        replace(example, split="validation" if number % 3 == 1 else example.split)
        for number, example in enumerate(ask(images, 75))
    ]
    found = calibrate(card("vqa_rad"), place(examples), answerer)
    assert found and found.num_items == 25 and 0.1 <= found.temperature <= 10
    assert calibrate(card("meqsum"), place(examples), answerer) is None
    assert calibrate(card("vqa_rad"), place(examples[:30]), answerer) is None
