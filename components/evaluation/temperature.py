"""How sure an answer may be called: a temperature for the probabilities of closed sets.

Method: temperature scaling (Guo et al. 2017, arXiv 1706.04599), fitted to how often the answer is
right, on the validation split, with Platt's targets (1999), which keep a model that was always
right there from being called certain. The error is the expected calibration error in ten bins of
equal width; after scaling it is measured on items that the temperature was not fitted on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.cards import Card
from components.dataset.images import ImageStore
from components.evaluation.cache import Answer
from components.evaluation.calibration import MIN_ITEMS, Calibration
from components.evaluation.examine import read_exam
from components.evaluation.metrics import normalise_answer
from components.evaluation.predict import Answerer, answer_all
from components.records import Example, read_records

NUM_BINS, NUM_FOLDS = 10, 5
TEMPERATURES = 0.1, 10.0
Floats = NDArray[np.float64]


def calibrate(card: Card, folder: Path, answerer: Answerer) -> Calibration | None:
    """Fit to the validation split of a data set; None where answers are free, or items too few."""
    examples = read_records(folder / "examples.parquet", Example)
    num = sum(example.split == "validation" for example in examples)
    if card.candidates == "none" or num < MIN_ITEMS:
        return None
    exam = read_exam(card, folder, "validation")
    sees = any(example.image_id for example in exam.test)
    store = ImageStore([exam.images], answerer.image_px) if sees else None
    whole = replace(answerer, num_options=sys.maxsize)
    answers = answer_all(whole, exam.task, exam.test, exam.candidates, store=store, warn=False)
    return fit_calibration(answers, exam.test)


def fit_calibration(answers: Sequence[Answer], items: Sequence[Example]) -> Calibration:
    """The temperature of answers that list every candidate, the chosen one first.

    It is 1 where confidence on items that others were fitted without is no better for it, by cross
    entropy: the error in bins of a few hundred items is too noisy to decide by.
    """
    pairs = zip(answers, items, strict=True)
    logs_NC, right_N = _tabulate(answers), np.array([_is_right(*pair) for pair in pairs])
    raw_N, fitted_N = scale(logs_NC, 1.0), _cross_fit(logs_NC, right_N, items)
    helps = cross_entropy(fitted_N, right_N) < cross_entropy(raw_N, right_N)
    return Calibration(
        method="temperature",
        temperature=round(fit_temperature(logs_NC, right_N), 6) if helps else 1.0,
        split="validation",
        num_items=len(items),
        accuracy=round(float(right_N.mean()), 6),
        error_before=round(calibration_error(raw_N, right_N), 6),
        error_after=round(calibration_error(fitted_N if helps else raw_N, right_N), 6),
    )


def scale(logs_NC: Floats, temperature: float) -> Floats:
    """Probability (N,) of the first of each row's candidates at a temperature."""
    odds_NC = np.exp((logs_NC - logs_NC[:, :1]) / temperature)
    chosen: Floats = 1 / odds_NC.sum(1)
    return chosen


def fit_temperature(logs_NC: Floats, right_N: NDArray[np.bool_]) -> float:
    """The temperature with the least cross entropy between confidence and being right."""
    from scipy.optimize import minimize_scalar  # 0.3 s to import

    num_right = int(right_N.sum())
    sure, unsure = (num_right + 1) / (num_right + 2), 1 / (len(right_N) - num_right + 2)
    target_N = np.where(right_N, sure, unsure)

    def loss(log_temperature: float) -> float:
        return cross_entropy(scale(logs_NC, np.exp(log_temperature)), target_N)

    bounds = tuple(np.log(TEMPERATURES))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def cross_entropy(chance_N: Floats, target_N: NDArray[np.bool_] | Floats) -> float:
    """Mean cross entropy of being right, in nats."""
    chance_N = np.clip(chance_N, 1e-12, 1 - 1e-12)
    losses = target_N * np.log(chance_N) + (1 - target_N) * np.log1p(-chance_N)
    return float(-losses.mean())


def calibration_error(chance_N: Floats, right_N: NDArray[np.bool_]) -> float:
    """Mean distance of confidence and accuracy over bins of equal width, weighed by their items."""
    bins_N = np.minimum((chance_N * NUM_BINS).astype(int), NUM_BINS - 1)
    gaps = np.bincount(bins_N, chance_N - right_N, NUM_BINS)
    return float(np.abs(gaps).sum() / len(right_N))


def _cross_fit(logs_NC: Floats, right_N: NDArray[np.bool_], items: Sequence[Example]) -> Floats:
    """Confidence of each item at the temperature of the others; what shares a group stays so."""
    groups = [item.group or item.image_id or item.id for item in items]
    place = {name: number % NUM_FOLDS for number, name in enumerate(sorted(set(groups)))}
    fold_N = np.array([place[name] for name in groups])
    chance_N = np.zeros(len(items))
    for fold in sorted(set(place.values())):
        held = fold_N == fold
        fitted = ~held if (~held).any() else held
        temperature = fit_temperature(logs_NC[fitted], right_N[fitted])
        chance_N[held] = scale(logs_NC[held], temperature)
    return chance_N


def _tabulate(answers: Sequence[Answer]) -> Floats:
    """Log-probabilities (N, C), filled up with -inf where an item has fewer options."""
    width = max(len(answer.options) for answer in answers)
    logs_NC = np.full((len(answers), width), -np.inf)
    for row, answer in zip(logs_NC, answers, strict=True):
        row[: len(answer.options)] = answer.option_log_probabilities
    return logs_NC


def _is_right(answer: Answer, item: Example) -> bool:
    accepted = {normalise_answer(text) for text in item.references or [item.target]}
    return normalise_answer(answer.text) in accepted
