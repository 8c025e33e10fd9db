"""Confidence intervals that respect what samples share: a bootstrap over groups.

Questions about one image, or rows of one patient, stand or fall together; resampling rows as if
they were independent gives intervals that are too narrow. Here whole groups are drawn (Efron and
Tibshirani 1993, section 8; Field and Welsh 2007 for clusters), and percentiles are read off.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CHUNK = 256  # resamples held in memory at a time


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its confidence interval; no bounds where there are fewer than two groups."""

    value: float
    low: float | None
    high: float | None
    num_samples: int
    num_groups: int

    @property
    def above_zero(self) -> bool:
        """True where the whole interval lies above 0."""
        return self.low is not None and self.low > 0

    @property
    def below_zero(self) -> bool:
        """True where the whole interval lies below 0."""
        return self.high is not None and self.high < 0


def bootstrap_mean(
    values: ArrayLike,
    groups: Sequence[str],
    *,
    classes: Sequence[str] | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of the values with its bootstrap interval, clustered by group.

    With ``classes`` the mean is over classes of each class's mean; a class that a resample lost
    is left out of that resample's mean. Raises ValueError for no values or unequal lengths.
    """
    sums_GC, counts_GC = _sum_by_group(np.asarray(values, np.float64), groups, classes)
    num_groups = len(sums_GC)
    value = float(np.mean(sums_GC.sum(0) / counts_GC.sum(0)))
    if num_groups < 2:
        return Interval(value, None, None, len(groups), num_groups)
    generator = np.random.default_rng(seed)
    means = np.concatenate([
        _resample_means(sums_GC, counts_GC, min(CHUNK, resamples - start), generator)
        for start in range(0, resamples, CHUNK)
    ])  # fmt: skip
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(value, float(low), float(high), len(groups), num_groups)


def bootstrap_difference(
    first: ArrayLike,
    second: ArrayLike,
    groups: Sequence[str],
    *,
    classes: Sequence[str] | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of first - second over the same samples, with its paired bootstrap interval."""
    gaps = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    return bootstrap_mean(
        gaps, groups, classes=classes, resamples=resamples, confidence=confidence, seed=seed
    )


def seed_mean(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Mean over runs from different seeds, with Student's interval of it.

    It says how far another run from scratch would fall, on the same test items; no bounds for one
    run. Raises ValueError for none.
    """
    num = len(values)
    if not num:
        raise ValueError("a mean needs at least one value")
    mean = statistics.fmean(values)
    if num < 2:
        return Interval(mean, None, None, num, num)
    from scipy.special import stdtrit  # 0.1 s to import, for what few runs ask

    quantile = float(stdtrit(num - 1, (1 + confidence) / 2))
    half = quantile * statistics.stdev(values) / math.sqrt(num)
    return Interval(mean, mean - half, mean + half, num, num)


def _sum_by_group(
    values_S: NDArray[np.float64], groups: Sequence[str], classes: Sequence[str] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums and counts per group G and class C; the axis S is samples."""
    labels = classes if classes is not None else [""] * len(groups)
    if not len(values_S) or not len(values_S) == len(groups) == len(labels):
        raise ValueError(f"{len(values_S)} values, {len(groups)} groups, {len(labels)} classes")
    group_names, group_S = np.unique(np.asarray(groups), return_inverse=True)
    class_names, class_S = np.unique(np.asarray(labels), return_inverse=True)
    sums_GC = np.zeros((len(group_names), len(class_names)))
    counts_GC = np.zeros_like(sums_GC)
    np.add.at(sums_GC, (group_S, class_S), values_S)
    np.add.at(counts_GC, (group_S, class_S), 1.0)
    return sums_GC, counts_GC


def _resample_means(
    sums_GC: NDArray[np.float64],
    counts_GC: NDArray[np.float64],
    num: int,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    num_groups = len(sums_GC)
    drawn_BG = generator.multinomial(num_groups, np.full(num_groups, 1 / num_groups), size=num)
    sums_BC, counts_BC = drawn_BG @ sums_GC, drawn_BG @ counts_GC
    present_BC = counts_BC > 0
    means_BC = np.divide(sums_BC, counts_BC, out=np.zeros_like(sums_BC), where=present_BC)
    means_B: NDArray[np.float64] = means_BC.sum(1) / present_BC.sum(1)
    return means_B
