"""Predictions as a metric sees them: item by item, in one order, of every condition alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.errors import UserError
from components.evaluation.conditions import FULL
from components.evaluation.intervals import (
    Estimate,
    Floats,
    Groups,
    count_by_class,
    find_groups,
)
from components.evaluation.metrics import Metric, find_metric, normalise_answer
from components.evaluation.pooling import Answers
from components.records import Example, Prediction

BASELINE = "baseline"  # beside the conditions: what is answered without a model
ByCondition = dict[str, list[Prediction]]


@dataclass(frozen=True, slots=True)
class Scored:
    """One metric over the same items: of each condition, FULL first, and of BASELINE."""

    metric: Metric
    groups: Groups
    answers: dict[str, Answers]
    values: dict[str, Floats]

    def only(self, chosen: NDArray[np.bool_]) -> Scored:
        """The same for some of the items."""
        places = np.flatnonzero(chosen)
        return Scored(
            self.metric,
            self.groups.only(places),
            {name: answers.only(places) for name, answers in self.answers.items()},
            {name: values[places] for name, values in self.values.items()},
        )

    def estimate(self, name: str = FULL) -> Estimate:
        """What the bootstrap asks about a condition, or about the baseline."""
        return self.metric.pool(self.answers[name], self.values[name], self.groups)

    def count_telling(self) -> list[int]:
        """The groups that the metric rests on where all are alike (Metric.rests_on); empty: all."""
        if self.metric.rests_on == "items":
            return []
        classes = [normalise_answer(text) for text in self.answers[FULL].classes]
        counts = count_by_class(self.groups, classes)
        return counts if self.metric.rests_on == "classes" else [min(counts)]

    @property
    def conditions(self) -> list[str]:
        """Every condition but FULL."""
        return [name for name in self.values if name not in (FULL, BASELINE)]


def split_conditions(predictions: Sequence[Prediction], name: str) -> ByCondition:
    """The predictions of each condition in the order of their ids, FULL first.

    UserError where there is none to score, an item was answered twice, a log-probability is not a
    number, or conditions answered other items than FULL did.
    """
    found: ByCondition = {FULL: []}
    for prediction in sorted(predictions, key=lambda p: p.id):
        found.setdefault(prediction.condition, []).append(prediction)
    if not found[FULL]:
        raise UserError(f"{name}: no prediction to score", next_command="dvc repro evaluate")
    _refuse_unsound(predictions, name)
    wanted = [p.id for p in found[FULL]]
    for condition, rows in found.items():
        _match_ids([p.id for p in rows], wanted, f"{name}, condition {condition}")
    return found


def check_split(predictions: Sequence[Prediction], test: Sequence[Example], name: str) -> None:
    """UserError where the items that were answered are not those of the test split, each once."""
    wanted = [example.id for example in test]
    for condition, rows in split_conditions(predictions, name).items():
        _match_ids([p.id for p in rows], wanted, f"{name}, condition {condition}")


def _match_ids(answered: Sequence[str], wanted: Sequence[str], name: str) -> None:
    """UserError for ids that are doubled, foreign or missing, with the first of each."""
    counts = Counter(answered)
    faults = {
        "answered more than once": [own for own, num in counts.items() if num > 1],
        "answered but not asked": sorted(counts.keys() - set(wanted)),
        "asked but not answered": sorted(set(wanted) - counts.keys()),
    }
    told = [f"{words}: {len(ids)} items, as {ids[0]}" for words, ids in faults.items() if ids]
    if told:
        raise UserError(
            f"{name}: {'; '.join(told)}",
            why="a score and its paired gains are over the same items, each of them once",
            next_command="dvc repro evaluate --force",
        )


def _refuse_unsound(predictions: Sequence[Prediction], name: str) -> None:
    """UserError for a log-probability that is not a number: what it chose means nothing."""
    bad = [
        p.id
        for p in predictions
        if not math.isfinite(p.log_probability) or any(map(math.isnan, p.option_log_probabilities))
    ]
    if bad:
        raise UserError(
            f"{name}: {len(bad)} answers have no finite log-probability, as that to {bad[0]}",
            why="the model's numbers overflowed: its choice among answers means nothing",
            next_command="train it again with a smaller learning rate, or precision float32",
        )


def score_all(metric: Metric, by_condition: ByCondition) -> Scored:
    """A metric's values of each condition and of the baseline."""
    full = by_condition[FULL]
    answers = {name: read_answers(rows) for name, rows in by_condition.items()}
    references = answers[FULL].references
    # One answer and no other: what ranks nothing has an area of a half under its curve.
    certain = [dict.fromkeys(p.options, -math.inf) | {p.baseline: 0.0} for p in full]
    answers[BASELINE] = Answers([p.baseline for p in full], references, certain)
    values = {name: metric.score(own.texts, own.references) for name, own in answers.items()}
    return Scored(metric, find_groups([group_of(p) for p in full]), answers, values)


def read_answers(predictions: Sequence[Prediction]) -> Answers:
    """What was said, and what is accepted, in the order of the predictions."""
    return Answers(
        [p.prediction for p in predictions],
        [accepted_answers(p) for p in predictions],
        [dict(zip(p.options, p.option_log_probabilities, strict=True)) for p in predictions],
    )


def score_predictions(predictions: Sequence[Prediction], metric: str) -> list[float]:
    """A metric's value per prediction, all of one condition, in their order."""
    answers = read_answers(predictions)
    values = find_metric(metric).score(answers.texts, answers.references)
    return [float(value) for value in values]


def accepted_answers(prediction: Prediction) -> list[str]:
    """What a prediction is scored against: its references, or its target alone."""
    return prediction.references or [prediction.target]


def group_of(prediction: Prediction) -> str:
    """What a prediction shares its luck with: its group, or its image, or nothing."""
    return prediction.group or prediction.image_id or prediction.id
