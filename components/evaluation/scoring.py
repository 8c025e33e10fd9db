"""Predictions as a metric sees them: item by item, in one order, of every condition alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from components.errors import UserError
from components.evaluation.conditions import FULL
from components.evaluation.intervals import Estimate, Floats, Groups, find_groups
from components.evaluation.metrics import Metric, find_metric
from components.evaluation.pooling import Answers
from components.records import Prediction

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

    @property
    def conditions(self) -> list[str]:
        """Every condition but FULL."""
        return [name for name in self.values if name not in (FULL, BASELINE)]


def split_conditions(predictions: Sequence[Prediction], name: str) -> ByCondition:
    """The predictions of each condition in the order of their ids, FULL first.

    UserError where there is none to score, an item was answered twice, or conditions answered
    other items than FULL did.
    """
    found: ByCondition = {FULL: []}
    for prediction in sorted(predictions, key=lambda p: p.id):
        found.setdefault(prediction.condition, []).append(prediction)
    if not found[FULL]:
        raise UserError(f"{name}: no prediction to score", next_command="dvc repro evaluate")
    ids = [p.id for p in found[FULL]]
    if twice := sorted({first for first, then in pairwise(ids) if first == then}):
        raise UserError(
            f"{name}: {len(twice)} items were answered more than once, as {twice[0]}",
            why="an item that counts twice makes a score wrong and its interval too narrow",
            next_command="dvc repro evaluate --force",
        )
    for condition, rows in found.items():
        if [p.id for p in rows] != ids:
            raise UserError(
                f"{name}: {len(ids)} items answered, other items ({len(rows)}) under {condition}",
                why="the gain over a condition is a paired difference over the same items",
                next_command="dvc repro evaluate",
            )
    return found


def score_all(metric: Metric, by_condition: ByCondition) -> Scored:
    """A metric's values of each condition and of the baseline."""
    full = by_condition[FULL]
    answers = {name: read_answers(rows) for name, rows in by_condition.items()}
    references = answers[FULL].references
    answers[BASELINE] = Answers([p.baseline for p in full], references)
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
