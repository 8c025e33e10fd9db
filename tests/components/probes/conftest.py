"""Planted answers to a made-up data set, and the debug model of the evaluation's tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from components.cards import Card
from components.probes.material import Answered, score_answers
from components.probes.measure import Sampling
from components.records import Prediction
from components.schema import validate
from tests.components.evaluation.conftest import (  # noqa: F401  fixtures
    answerer,
    images,
    model,
    place,
    vocabulary,
)


@pytest.fixture(scope="session")
def sampling() -> Sampling:
    return Sampling(resamples=400, confidence=0.95, seed=5)


def predict(number: int, said: str, truth: str = "yes", **more: Any) -> Prediction:
    """One answer; each is a group of its own unless ``more`` says otherwise."""
    values: dict[str, Any] = {
        "id": f"toy/{number:03d}", "dataset": "toy", "size": "debug", "condition": "full",
        "prediction": said, "target": truth, "references": [truth], "log_probability": -1.0,
        "baseline": "yes", "category": "", "group": f"group{number}", "image_id": "",
        "source": f"question {number}",
    }  # fmt: skip
    return Prediction(**{**values, **more})


def answer(
    predictions: Sequence[Prediction], card: Card, metric: str = "accuracy", task: str = "vqa"
) -> Answered:
    """Predictions scored as those of a data set with that metric and task."""
    values = {**card.model_dump(), "name": "toy", "metrics": [metric], "task": task}
    return score_answers(validate(Card, values, "toy"), list(predictions))


@pytest.fixture(scope="session")
def card(repository: Any) -> Card:
    from components.cards import load_card

    return load_card("vqa_rad", repository / "data/cards")
