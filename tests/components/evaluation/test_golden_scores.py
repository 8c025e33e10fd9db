"""Golden scores: every metric with its interval, of answers that are written down here by rule.

After a change that is meant to change them, give the metric another version, and:

    REGENERATE_GOLDEN=1 python -m pytest tests/components/evaluation/test_golden_scores.py
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.cards import load_card
from components.config import EvaluateParams
from components.evaluation.summary import summarize
from components.records import Prediction

GOLDEN = Path(__file__).parents[2] / "golden/scores.json"
CARDS = ("vqa_rad", "pneumoniamnist", "iu_xray", "meqsum", "medmcqa", "mednli", "cbis_ddsm_mass")
PARAMS = EvaluateParams(
    batch=4, beam=1, length_penalty=1.0, no_repeat_ngram=3, max_target_tokens=8,
    conditions=["full", "blank"], bootstrap=200, confidence=0.95,
)  # fmt: skip
WORDS = ["no", "acute", "finding", "in", "the", "left", "lung", "is", "seen", "heart", "normal"]
# Sums of the same numbers in the same order; logarithms and roots differ in the last digit between
# processors, and a score is of some hundred of them, times a hundred.
TOLERANCE = 1e-6
NUM_ITEMS = 60


def answer(name: str, answers: list[str]) -> Iterator[Prediction]:
    """Answers of which two in three are right, fewer without the image."""
    generator = random.Random(name)
    for number in range(NUM_ITEMS):
        free = " ".join(generator.sample(WORDS, 5))
        target = answers[number % len(answers)] if answers else free
        for condition, chance in (("full", 0.67), ("blank", 0.4)):
            other = generator.choice(answers) if answers else " ".join(generator.sample(WORDS, 5))
            said = target if generator.random() < chance else other
            weights = [generator.random() for _ in answers]
            options = sorted(zip(weights, answers, strict=True), reverse=True)
            yield Prediction(
                id=f"{number:03d}", dataset=name, size="debug", condition=condition,
                prediction=said, target=target, references=[target], log_probability=-1.0,
                baseline=answers[0] if answers else WORDS[0], group=f"image {number // 2}",
                category="closed" if number % 2 else "open", image_id="", source="q",
                options=[text for _, text in options],
                option_log_probabilities=[weight - 1 for weight, _ in options],
            )  # fmt: skip


def shorten(scores: dict[str, Any]) -> dict[str, Any]:
    """Of each metric its version, and of each subset the numbers that a report shows."""
    shown = ("value", "low", "high", "n", "groups", "baseline", "blank", "paper")
    return {
        metric["name"]: {"version": metric["version"]}
        | {
            subset: {key: of[key] for key in shown if key in of}
            for subset, of in scores["scores"].get(metric["name"], {}).items()
        }
        for metric in scores["metrics"]
    }


def flatten(value: Any, key: str = "") -> dict[str, Any]:
    """Every number and text by the path of keys that leads to it."""
    if not isinstance(value, dict):
        return {key: value}
    return {k: v for name, of in value.items() for k, v in flatten(of, f"{key}/{name}").items()}


@pytest.mark.parametrize("name", CARDS)
def test_scores_and_intervals_are_the_golden_ones(name: str, repository: Path) -> None:
    card = load_card(name, repository / "data/cards")
    answers = list(dict.fromkeys(text.lower() for text in card.answers.values()))
    if not answers and card.task != "caption" and card.candidates != "none":
        answers = ["yes", "no", "left lung", "right lung"]
    found = shorten(summarize(list(answer(name, answers)), card, PARAMS, seed=7))
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else {}
    if os.environ.get("REGENERATE_GOLDEN"):
        golden[name] = found
        GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
    ours, wanted = flatten(found), flatten(golden[name])
    assert ours.keys() == wanted.keys()
    for key, value in ours.items():
        is_exact = isinstance(value, str | int | type(None))
        assert value == (wanted[key] if is_exact else pytest.approx(wanted[key], abs=TOLERANCE)), (
            key
        )
