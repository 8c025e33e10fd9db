"""Is a larger size better? The same items, answered by both: how much, and is it more than chance.

The interval is that of the paired difference over resampled groups. The p-value is of a
randomisation test (Noreen 1989, chapter 2): were the two sizes alike, it would make no difference
which of them gave which answers, so that the answers of whole groups are exchanged at random. It
asks no more of a metric than its estimate, and so holds for means, F1 and areas under curves alike.
Of many data sets some differ by chance, which Holm's correction (1979) allows for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.config import EvaluateParams
from components.errors import UserError
from components.evaluation.conditions import FULL
from components.evaluation.intervals import (
    CHUNK_ROWS,
    EQUAL,
    Estimate,
    Floats,
    Groups,
    Interval,
    bootstrap,
    difference,
    gain_scale,
)
from components.evaluation.metrics import find_metric
from components.evaluation.pooling import Answers
from components.evaluation.scoring import Scored, score_all, split_conditions
from components.records import Prediction

NUM_EXCHANGES = 9_999  # a p-value of 0.0001 is the least that can be found


@dataclass(frozen=True, slots=True)
class Comparison:
    """The larger size's score less the smaller's, and how likely that is by chance."""

    gain: Interval
    p_value: float


def compare_sizes(
    smaller: Sequence[Prediction],
    larger: Sequence[Prediction],
    metric: str,
    params: EvaluateParams,
    seed: int,
) -> Comparison:
    """The larger size against the smaller over the same test items, paired.

    Raises UserError when the two did not answer the same items.
    """
    first = split_conditions(larger, "the larger size")[FULL]
    second = split_conditions(smaller, "the smaller size")[FULL]
    if [p.id for p in first] != [p.id for p in second]:
        raise UserError(
            f"{first[0].dataset}: sizes {second[0].size} and {first[0].size} answered other items",
            why="a paired difference needs the same test items",
            next_command="dvc repro evaluate",
        )
    ours, theirs = (score_all(find_metric(metric), {FULL: rows}) for rows in (first, second))
    gain = bootstrap(
        difference(ours.estimate(), theirs.estimate()),
        ours.groups,
        resamples=params.bootstrap,
        confidence=params.confidence,
        seed=seed,
        scale=gain_scale(ours.metric.scale),
        num_telling=ours.count_telling(),
    )
    return Comparison(gain, exchange_test(ours, theirs, seed))


def exchange_test(ours: Scored, theirs: Scored, seed: int, num: int = NUM_EXCHANGES) -> float:
    """Two-sided p-value that the two are alike; 1 where there is one group.

    The share of ``num`` random exchanges, and of what was found, that differ as much (Phipson and
    Smyth 2010: never 0). Shape letters: B exchanges, G groups.
    """
    gap, num_groups = _gap_of_exchange(ours, theirs), ours.groups.num
    observed = abs(float(gap(ours.groups.every)[0]))
    generator = np.random.default_rng(seed)
    chunk = max(CHUNK_ROWS // (2 * num_groups), 1)
    as_large = 0
    for begin in range(0, num, chunk):
        shape = (min(chunk, num - begin), num_groups)
        kept_BG = generator.integers(0, 2, shape, np.int8).astype(np.float64)
        as_large += int((np.abs(gap(kept_BG)) >= observed - EQUAL).sum())
    return (1 + as_large) / (1 + num)


def _gap_of_exchange(ours: Scored, theirs: Scored) -> Estimate:
    """The difference where each group keeps its answers (1) or exchanges them (0)."""
    index_S, num = ours.groups.index_S, ours.groups.num
    both = Groups(np.concatenate([index_S, index_S + num]), 2 * num)
    first, second = ours.answers[FULL], theirs.answers[FULL]
    answers = Answers(
        [*first.texts, *second.texts],
        [*first.references, *second.references],
        [*first.options, *second.options],
    )
    values = np.concatenate([ours.values[FULL], theirs.values[FULL]])
    estimate = ours.metric.pool(answers, values, both)

    def gap(kept_BG: Floats) -> Floats:
        as_is, exchanged = (kept_BG, 1 - kept_BG), (1 - kept_BG, kept_BG)
        return estimate(np.hstack(as_is)) - estimate(np.hstack(exchanged))

    return gap


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: each at most a level together keeps all errors under it."""
    p_N = np.asarray(p_values, np.float64)
    order_N = np.argsort(p_N, kind="stable")
    stepped_N = np.maximum.accumulate((len(p_N) - np.arange(len(p_N))) * p_N[order_N])
    adjusted_N = np.empty_like(p_N)
    adjusted_N[order_N] = np.minimum(stepped_N, 1.0)
    return [float(value) for value in adjusted_N]
