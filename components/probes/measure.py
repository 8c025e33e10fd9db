"""Values of parts of a data set, each with its interval, and shares of what was counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.config import EvaluateParams
from components.evaluation.conditions import FULL
from components.evaluation.intervals import (
    PERCENT,
    Estimate,
    Floats,
    Groups,
    Interval,
    Scale,
    bootstrap,
)
from components.evaluation.scoring import Scored

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How intervals are drawn: resamples, confidence, seed."""

    resamples: int
    confidence: float
    seed: int

    @classmethod
    def of(cls, params: EvaluateParams, seed: int) -> Sampling:
        """As scores are."""
        return cls(params.bootstrap, params.confidence, seed)

    def measure(
        self,
        estimate: Estimate,
        groups: Groups,
        num_comparisons: int = 1,
        scale: Scale = PERCENT,
        num_telling: Sequence[int] = (),
    ) -> dict[str, Any]:
        """``value``, ``low``, ``high``, ``n``, ``groups``; null for what is not defined.

        ``scale`` and ``num_telling`` are those of the estimate, as ``bootstrap`` needs them: the
        scale of a difference goes below 0.
        Of several comparisons the interval is widened so that all hold together with the stated
        confidence (Bonferroni).
        """
        confidence = 1 - (1 - self.confidence) / num_comparisons
        with np.errstate(invalid="ignore", divide="ignore"):  # a resample without any is left out
            found = bootstrap(
                estimate,
                groups,
                resamples=self.resamples,
                confidence=confidence,
                seed=self.seed,
                scale=scale,
                num_telling=num_telling,
            )
        return describe(found)

    def measure_scored(self, scored: Scored) -> dict[str, Any]:
        """The same of a metric over its items."""
        return self.measure(
            scored.estimate(),
            scored.groups,
            scale=scored.metric.scale,
            num_telling=scored.count_telling(),
        )


def describe(interval: Interval) -> dict[str, Any]:
    """An interval for JSON."""
    bounds = {"value": interval.value, "low": interval.low, "high": interval.high}
    rounded = {
        name: None if number is None or math.isnan(number) else round(number, 4)
        for name, number in bounds.items()
    }
    return {**rounded, "n": interval.num_samples, "groups": interval.num_groups}


def estimate_part(scored: Scored, places: Places, name: str = FULL) -> Estimate:
    """The score of some items under weights of all groups, so that two parts share resamples."""
    groups = Groups(scored.groups.index_S[places], scored.groups.num)
    return scored.metric.pool(
        scored.answers[name].only(places), scored.values[name][places], groups
    )


def count_groups(scored: Scored, *parts: Places) -> list[int]:
    """The groups of each part: what a difference of parts rests on."""
    return [scored.groups.only(places).num for places in parts]


def estimate_share(parts: ArrayLike, wholes: ArrayLike, groups: Groups) -> Estimate:
    """100 x the sum of parts over the sum of wholes; not defined where there is no whole."""
    sums = [
        np.bincount(groups.index_S, np.asarray(counts, np.float64), groups.num)
        for counts in (parts, wholes)
    ]

    def estimate(w_BG: Floats) -> Floats:
        part_B, whole_B = (w_BG @ sum_G for sum_G in sums)
        share: Floats = 100 * part_B / whole_B
        return share

    return estimate


def choose(holds: Sequence[bool]) -> Places:
    """The places of the items that a condition holds for."""
    return np.flatnonzero(np.asarray(holds, np.bool_))
