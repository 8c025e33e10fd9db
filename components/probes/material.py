"""What the probes work on: one data set's answers of one size, scored by its headline metric."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.cards import Card, load_card
from components.evaluation.cache import Answer
from components.evaluation.conditions import FULL
from components.evaluation.examine import record_answer
from components.evaluation.metrics import find_metric
from components.evaluation.scoring import ByCondition, Scored, score_all, split_conditions
from components.lineage import read_manifest
from components.records import Example, Prediction, read_records


@dataclass(frozen=True)
class Answered:
    """A data set's card, its predictions by condition, and what they are worth."""

    card: Card
    by_condition: ByCondition
    scored: Scored

    @property
    def full(self) -> list[Prediction]:
        """What was said with all of the item shown, in the order of the scores."""
        return self.by_condition[FULL]

    def head(self) -> dict[str, str]:
        """Which data set and metric a finding is about."""
        metric = self.scored.metric
        return {"dataset": self.card.name, "metric": metric.title, "unit": metric.unit}


def score_answers(card: Card, predictions: Sequence[Prediction]) -> Answered:
    """Predictions of one data set by its headline metric; UserError where there is none."""
    by_condition = split_conditions(predictions, card.name)
    return Answered(card, by_condition, score_all(find_metric(card.metrics[0]), by_condition))


def read_answered(root: Path, size: str, dataset: str) -> Answered:
    """The predictions of a size on a data set; UserError where they are missing.

    What counts of the card (task, answers, the headline metric) is as it was when they were made
    and scored: DVC follows it through them, and a card that is corrected elsewhere, or told to be
    scored by one more metric, makes no probe stale.
    """
    folder = root / "predictions" / size / dataset
    asked = read_manifest(folder)["settings"]["card"]
    headline = json.loads((root / "headlines" / size / f"{dataset}.json").read_bytes())
    card = load_card(dataset).model_copy(update={**asked, "metrics": [headline["metric"]]})
    return score_answers(card, list(read_records(folder / "predictions.parquet", Prediction)))


def record_answers(
    examples: Sequence[Example], answers: Sequence[Answer], condition: str, size: str
) -> list[Prediction]:
    """What was said to examples that were asked in another way; there is no baseline for it."""
    pairs = zip(examples, answers, strict=True)
    return [record_answer(example, answer, "", condition, size) for example, answer in pairs]
