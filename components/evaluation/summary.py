"""From predictions to a data set's scores: intervals, baseline, conditions, red flags."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.cards import Card
from components.config import EvaluateParams
from components.evaluation.conditions import BLANK, FULL
from components.evaluation.intervals import (
    Estimate,
    Interval,
    bootstrap,
    difference,
    gain_scale,
    seed_mean,
)
from components.evaluation.metrics import Metric, find_metric, find_reference_metric
from components.evaluation.pooling import pool_auc
from components.evaluation.scoring import (
    BASELINE,
    ByCondition,
    Scored,
    score_all,
    split_conditions,
)
from components.records import Prediction

WHOLE = "all"
MAX_SUBSETS = 12  # categories beyond the most frequent ones are noise in a table


def summarize(
    predictions: Sequence[Prediction],
    card: Card,
    params: EvaluateParams,
    seed: int,
    repeats: Sequence[Sequence[Prediction]] = (),
) -> dict[str, Any]:
    """Scores of one size on one data set, ready for JSON.

    ``scores[metric][subset]`` holds ``value``, ``low``, ``high``, ``n``, ``groups`` (percent, or
    CIDEr x 100); ``baseline`` and ``baseline_gain`` (score - baseline, paired), each with bounds;
    and ``conditions``: for each the score under it, and ``gain`` (score - that, paired). Where the
    image was also blanked, ``blank`` and ``visual_gain`` repeat that condition as the headline.
    ``beats_baseline`` and ``falls_when_blank`` say whether the whole interval of the gain is above
    0. Bounds are null with fewer than two groups. Where the reference's scripts compute something
    else under the metric's name, ``paper`` is what they would, with bounds; ``metrics`` defines
    both. ``empty_answers`` counts the test items without a word said. ``repeats`` are the
    predictions of models tuned from other seeds: ``seeds`` of all items then holds the mean over
    all of them, its bounds, and each ``values``. ``left_out`` names the metrics that need the
    probabilities of options, where some answer was written freely; the headline never is left out.
    UserError when there is nothing to score.
    """
    by_condition = split_conditions(predictions, card.name)
    left_out = _find_unanswerable(card, by_condition)
    metrics = [find_metric(name) for name in card.metrics if name not in left_out]
    siblings = {metric.name: find_reference_metric(card.task, metric.name) for metric in metrics}
    full = by_condition[FULL]
    members = _subsets(full)
    scores = {}
    for metric in metrics:
        scored = score_all(metric, by_condition)
        scores[metric.name] = {
            name: _describe(scored.only(chosen), params, seed) for name, chosen in members.items()
        }
        if sibling := siblings[metric.name]:
            told = score_all(sibling, {FULL: full})
            for name, chosen in members.items():
                paper = told.only(chosen)
                interval = _bootstrap(paper.estimate(), paper, params, seed)
                scores[metric.name][name] |= _bounds("paper", interval)
        if repeats:
            runs = [score_all(metric, split_conditions(rows, card.name)) for rows in repeats]
            scores[metric.name][WHOLE]["seeds"] = _over_seeds([scored, *runs], params)
    return {
        "dataset": card.name,
        "size": full[0].size,
        "task": card.task,
        "candidates": card.candidates,
        "headline": metrics[0].name,
        "scores": scores,
        "left_out": left_out,
        "empty_answers": sum(not p.prediction.strip() for p in full),
        "metrics": [
            *(_define(metric, siblings[metric.name]) for metric in metrics),
            *(_define(sibling) for sibling in siblings.values() if sibling),
        ],
    }


def _find_unanswerable(card: Card, by_condition: ByCondition) -> list[str]:
    if all(p.options for rows in by_condition.values() for p in rows):
        return []
    return [name for name in card.metrics[1:] if find_metric(name).pool is pool_auc]


def _subsets(full: list[Prediction]) -> dict[str, NDArray[np.bool_]]:
    """All items, and the items of each category where there are at least two of them."""
    categories = np.array([p.category for p in full])
    members = {WHOLE: np.ones(len(full), np.bool_)}
    sizes = Counter(category for category in categories.tolist() if category)
    if len(sizes) > 1:
        for name, _ in sorted(sizes.most_common(MAX_SUBSETS)):
            members[name] = categories == name
    return members


def _describe(scored: Scored, params: EvaluateParams, seed: int) -> dict[str, Any]:
    def interval(estimate: Estimate, *, is_gain: bool = False) -> Interval:
        return _bootstrap(estimate, scored, params, seed, is_gain=is_gain)

    ours, baseline = scored.estimate(), scored.estimate(BASELINE)
    whole, gain = interval(ours), interval(difference(ours, baseline), is_gain=True)
    described: dict[str, Any] = {
        **_bounds("", whole),
        "n": whole.num_samples,
        "groups": whole.num_groups,
        **_bounds("baseline", interval(baseline)),
        **_bounds("baseline_gain", gain),
        "beats_baseline": gain.above_zero,
    }
    gains = {name: difference(ours, scored.estimate(name)) for name in scored.conditions}
    if gains:
        described["conditions"] = {
            name: _bounds("", interval(scored.estimate(name)))
            | _bounds("gain", interval(lost, is_gain=True))
            for name, lost in gains.items()
        }
    if BLANK in gains:
        blank = interval(scored.estimate(BLANK))
        visual_gain = interval(gains[BLANK], is_gain=True)
        described |= _bounds("blank", blank) | _bounds("visual_gain", visual_gain)
        described["falls_when_blank"] = visual_gain.above_zero
    return described


def _bootstrap(
    estimate: Estimate,
    scored: Scored,
    params: EvaluateParams,
    seed: int,
    *,
    is_gain: bool = False,
) -> Interval:
    scale = scored.metric.scale
    return bootstrap(
        estimate,
        scored.groups,
        resamples=params.bootstrap,
        confidence=params.confidence,
        seed=seed,
        scale=gain_scale(scale) if is_gain else scale,
        num_telling=scored.count_telling(),
    )


def _over_seeds(runs: Sequence[Scored], params: EvaluateParams) -> dict[str, Any]:
    values = [float(run.estimate()(run.groups.every)[0]) for run in runs]
    described: dict[str, Any] = _bounds("", seed_mean(values, params.confidence))
    return described | {"n": len(values), "values": [round(value, 4) for value in values]}


def _bounds(name: str, interval: Interval) -> dict[str, float | None]:
    """An interval as ``name``, ``name_low``, ``name_high``; without a name ``value`` and so on.

    A value that is not defined (an area under the curve of one class) is null.
    """
    keys = (name, f"{name}_low", f"{name}_high") if name else ("value", "low", "high")
    numbers = (interval.value, interval.low, interval.high)
    return {
        key: None if number is None or math.isnan(number) else round(number, 4)
        for key, number in zip(keys, numbers, strict=True)
    }


def _define(metric: Metric, sibling: Metric | None = None) -> dict[str, str]:
    """What a metric is; ``paper`` names the one that reproduces the reference's scripts."""
    return {
        "name": metric.name,
        "title": metric.title,
        "version": metric.version,
        "unit": metric.unit,
        "definition": metric.definition,
        "differs": metric.differs,
        "paper": sibling.name if sibling else "",
    }
