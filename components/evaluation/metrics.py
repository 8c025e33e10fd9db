"""Metrics: what a prediction is worth, one value per sample, with a version and a definition.

A score is only comparable with another of the same name and version. Every metric gives a value
per test item (percent, or CIDEr x 100), so that intervals can resample items and differences can
be paired. A metric is added with one function and one line of ``METRICS``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from components.errors import UserError
from components.evaluation.cider import cider_scores
from components.evaluation.intervals import Floats as Values
from components.evaluation.pooling import Pool, pool_class_mean, pool_mean

References = Sequence[Sequence[str]]

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Metric:
    """How predictions are scored.

    ``score`` takes all predictions of a data set and their references and returns one value per
    prediction; ``pool`` makes a data set's value of them, or of the answers themselves
    (components/evaluation/pooling.py).
    """

    name: str
    title: str
    version: str
    unit: Literal["%", "x100"]
    definition: str
    score: Callable[[Sequence[str], References], Values]
    pool: Pool = pool_mean


def normalise_answer(text: str) -> str:
    """Lower case, single spaces, no space or full stop at the ends."""
    return " ".join(text.lower().split()).strip(" .")


def score_exact_match(predictions: Sequence[str], references: References) -> Values:
    """100 where the whole normalised prediction equals a reference, else 0.

    The whole answer counts: "no" is not found inside "normal".
    """
    return _per_sample(
        predictions,
        references,
        lambda prediction, accepted: (
            100.0 * (normalise_answer(prediction) in {normalise_answer(text) for text in accepted})
        ),
    )


def score_token_f1(predictions: Sequence[str], references: References) -> Values:
    """100 x F1 of the bags of words, the best over the references."""
    return _per_sample(
        predictions,
        references,
        lambda prediction, accepted: max(_bag_f1(prediction, text) for text in accepted),
    )


def score_rouge(kind: str) -> Callable[[Sequence[str], References], Values]:
    """A scorer for ``rouge1``, ``rouge2`` or ``rougeL``: 100 x F-measure, Porter stemmer."""

    def score(predictions: Sequence[str], references: References) -> Values:
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer([kind], use_stemmer=True)
        return _per_sample(
            predictions,
            references,
            lambda prediction, accepted: max(
                100.0 * scorer.score(text, prediction)[kind].fmeasure for text in accepted
            ),
        )

    return score


def _per_sample(
    predictions: Sequence[str],
    references: References,
    value: Callable[[str, Sequence[str]], float],
) -> Values:
    pairs = zip(predictions, references, strict=True)
    return np.array([value(prediction, accepted) for prediction, accepted in pairs], np.float64)


def _bag_f1(prediction: str, reference: str) -> float:
    predicted = Counter(_WORD.findall(prediction.lower()))
    expected = Counter(_WORD.findall(reference.lower()))
    num_common = (predicted & expected).total()
    if num_common == 0:
        return 100.0 * (not predicted and not expected)
    return 200.0 * num_common / (predicted.total() + expected.total())


_EXACT = (
    "Share of answers that equal the true answer as a whole, after lower-casing, joining spaces "
    "and dropping a final full stop."
)
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "Accuracy", "1.0", "%", _EXACT, score_exact_match),
        Metric(
            "balanced_accuracy", "Balanced accuracy", "1.0", "%",
            "Mean over the true classes of the share of that class answered rightly (as accuracy).",
            score_exact_match, pool_class_mean,
        ),
        Metric(
            "vqa_accuracy", "Accuracy", "1.0", "%",
            _EXACT + " Open and closed questions are also scored apart.", score_exact_match,
        ),
        Metric(
            "token_f1", "Token F1", "1.0", "%",
            "F1 of the words of the answer and of the true answer, as bags, lower-cased; the mean "
            "over samples.", score_token_f1,
        ),
        Metric(
            "rouge_1", "ROUGE-1", "1.0", "%",
            "F-measure of shared words, Porter stemmer (rouge-score); the mean over samples.",
            score_rouge("rouge1"),
        ),
        Metric(
            "rouge_2", "ROUGE-2", "1.0", "%",
            "F-measure of shared word pairs, Porter stemmer (rouge-score); the mean over samples.",
            score_rouge("rouge2"),
        ),
        Metric(
            "rouge_l", "ROUGE-L", "1.0", "%",
            "F-measure of the longest common subsequence of words, Porter stemmer (rouge-score); "
            "the mean over samples.", score_rouge("rougeL"),
        ),
        Metric(
            "cider", "CIDEr-D", "1.0", "x100",
            "CIDEr-D (arXiv 1411.5726; n up to 4, sigma 6) x 100, from 0 to 1000; document "
            "frequencies from this test set's references.", cider_scores,
        ),
    )
}  # fmt: skip


def find_metric(name: str) -> Metric:
    """The metric of that name; UserError names the known ones."""
    if name not in METRICS:
        raise UserError(f"no metric named {name!r}", why=f"known: {', '.join(sorted(METRICS))}")
    return METRICS[name]
