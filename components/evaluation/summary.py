"""From predictions to a data set's scores: intervals, baseline, blank image, red flags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.cards import Card
from components.config import EvaluateParams
from components.errors import UserError
from components.evaluation.intervals import (
    Interval,
    bootstrap_difference,
    bootstrap_mean,
    seed_mean,
)
from components.evaluation.metrics import Metric, find_metric
from components.records import Prediction

FULL, BLANK = "full", "blank"
WHOLE = "all"
MAX_SUBSETS = 12  # categories beyond the most frequent ones are noise in a table


@dataclass(frozen=True, slots=True)
class _Scored:
    """Values per sample of one metric, with what the intervals need. Axis: test items."""

    model: NDArray[np.float64]
    baseline: NDArray[np.float64]
    blank: NDArray[np.float64] | None
    groups: NDArray[np.str_]
    classes: NDArray[np.str_] | None

    def only(self, chosen: NDArray[np.bool_]) -> _Scored:
        """The same for some of the items."""
        return _Scored(
            self.model[chosen],
            self.baseline[chosen],
            None if self.blank is None else self.blank[chosen],
            self.groups[chosen],
            None if self.classes is None else self.classes[chosen],
        )


def summarize(
    predictions: Sequence[Prediction],
    card: Card,
    params: EvaluateParams,
    seed: int,
    repeats: Sequence[Sequence[Prediction]] = (),
) -> dict[str, Any]:
    """Scores of one size on one data set, ready for JSON and ``dvc metrics``.

    ``scores[metric][subset]`` holds ``value``, ``low``, ``high``, ``n``, ``groups`` (percent, or
    CIDEr x 100); ``baseline`` and ``baseline_gain`` (score - baseline, paired), each with bounds;
    and, where the image was also blanked, ``blank`` and ``visual_gain`` (score - blank, paired).
    ``beats_baseline`` and ``falls_when_blank`` say whether the whole interval of the gain is above
    0. Bounds are null with fewer than two groups. ``repeats`` are the predictions of models tuned
    from other seeds: ``seeds`` of all items then holds the mean over all of them, its bounds, and
    each ``values``. UserError when there is nothing to score.
    """
    full, blank = _split_conditions(predictions, card.name)
    metrics = [find_metric(name) for name in card.metrics]
    members = _subsets(full)
    scores = {}
    for metric in metrics:
        scored = _score(metric, full, blank)
        scores[metric.name] = {
            name: _describe(scored.only(chosen), params, seed) for name, chosen in members.items()
        }
        if repeats:
            others = [_score(metric, _split_conditions(r, card.name)[0], []) for r in repeats]
            scores[metric.name][WHOLE]["seeds"] = _over_seeds([scored, *others], params)
    return {
        "dataset": card.name,
        "size": full[0].size,
        "task": card.task,
        "candidates": card.candidates,
        "headline": metrics[0].name,
        "scores": scores,
        # A list, so that ``dvc metrics show`` (which skips lists) stays a table of numbers.
        "metrics": [_define(metric) for metric in metrics],
    }


def compare_sizes(
    smaller: Sequence[Prediction],
    larger: Sequence[Prediction],
    metric: str,
    params: EvaluateParams,
    seed: int,
) -> Interval:
    """The larger size's score minus the smaller's over the same test items, paired.

    Raises UserError when the two did not answer the same items.
    """
    first, _ = _split_conditions(larger, "the larger size")
    second, _ = _split_conditions(smaller, "the smaller size")
    if [p.id for p in first] != [p.id for p in second]:
        raise UserError(
            f"{first[0].dataset}: sizes {second[0].size} and {first[0].size} answered other items",
            why="a paired difference needs the same test items",
            next_command="dvc repro evaluate",
        )
    chosen = find_metric(metric)
    ours, theirs = _score(chosen, first, []), _score(chosen, second, [])
    return bootstrap_difference(
        ours.model,
        theirs.model,
        list(ours.groups),
        classes=None if ours.classes is None else list(ours.classes),
        resamples=params.bootstrap,
        confidence=params.confidence,
        seed=seed,
    )


def score_predictions(predictions: Sequence[Prediction], metric: str) -> list[float]:
    """A metric's value per prediction, all of one condition, in their order."""
    references = [accepted_answers(p) for p in predictions]
    values = find_metric(metric).score([p.prediction for p in predictions], references)
    return [float(value) for value in values]


def accepted_answers(prediction: Prediction) -> list[str]:
    """What a prediction is scored against: its references, or its target alone."""
    return prediction.references or [prediction.target]


def _split_conditions(
    predictions: Sequence[Prediction], name: str
) -> tuple[list[Prediction], list[Prediction]]:
    full = sorted((p for p in predictions if p.condition == FULL), key=lambda p: p.id)
    blank = sorted((p for p in predictions if p.condition == BLANK), key=lambda p: p.id)
    if not full:
        raise UserError(f"{name}: no prediction to score", next_command="dvc repro evaluate")
    if blank and [p.id for p in blank] != [p.id for p in full]:
        raise UserError(
            f"{name}: {len(full)} items answered, {len(blank)} other items without image",
            why="the gain from the image is a paired difference over the same items",
            next_command="dvc repro evaluate",
        )
    return full, blank


def _score(metric: Metric, full: list[Prediction], blank: list[Prediction]) -> _Scored:
    references = [accepted_answers(p) for p in full]
    by_class = metric.average == "classes"
    return _Scored(
        model=metric.score([p.prediction for p in full], references),
        baseline=metric.score([p.baseline for p in full], references),
        blank=metric.score([p.prediction for p in blank], references) if blank else None,
        groups=np.array([p.group or p.image_id or p.id for p in full]),
        classes=np.array([texts[0] for texts in references]) if by_class else None,
    )


def _subsets(full: list[Prediction]) -> dict[str, NDArray[np.bool_]]:
    """All items, and the items of each category where there are at least two of them."""
    categories = np.array([p.category for p in full])
    members = {WHOLE: np.ones(len(full), np.bool_)}
    sizes = Counter(category for category in categories.tolist() if category)
    if len(sizes) > 1:
        for name, _ in sorted(sizes.most_common(MAX_SUBSETS)):
            members[name] = categories == name
    return members


def _describe(scored: _Scored, params: EvaluateParams, seed: int) -> dict[str, Any]:
    groups = list(scored.groups)
    classes = None if scored.classes is None else list(scored.classes)

    def mean(values: NDArray[np.float64]) -> Interval:
        return bootstrap_mean(
            values,
            groups,
            classes=classes,
            resamples=params.bootstrap,
            confidence=params.confidence,
            seed=seed,
        )

    whole = mean(scored.model)
    baseline_gain = mean(scored.model - scored.baseline)
    described: dict[str, Any] = {
        **_bounds("", whole),
        "n": whole.num_samples,
        "groups": whole.num_groups,
        **_bounds("baseline", mean(scored.baseline)),
        **_bounds("baseline_gain", baseline_gain),
        "beats_baseline": baseline_gain.above_zero,
    }
    if scored.blank is not None:
        visual_gain = mean(scored.model - scored.blank)
        described |= _bounds("blank", mean(scored.blank)) | _bounds("visual_gain", visual_gain)
        described["falls_when_blank"] = visual_gain.above_zero
    return described


def _over_seeds(runs: Sequence[_Scored], params: EvaluateParams) -> dict[str, Any]:
    values = [
        bootstrap_mean(
            run.model,
            list(run.groups),
            classes=None if run.classes is None else list(run.classes),
            resamples=1,  # for its value alone
        ).value
        for run in runs
    ]
    described: dict[str, Any] = _bounds("", seed_mean(values, params.confidence))
    return described | {"n": len(values), "values": [round(value, 4) for value in values]}


def _bounds(name: str, interval: Interval) -> dict[str, float | None]:
    """An interval as ``name``, ``name_low``, ``name_high``; without a name ``value`` and so on."""
    keys = (name, f"{name}_low", f"{name}_high") if name else ("value", "low", "high")
    numbers = (interval.value, interval.low, interval.high)
    return {
        key: None if number is None else round(number, 4)
        for key, number in zip(keys, numbers, strict=True)
    }


def _define(metric: Metric) -> dict[str, str]:
    return {
        "name": metric.name,
        "title": metric.title,
        "version": metric.version,
        "unit": metric.unit,
        "definition": metric.definition,
    }
