"""Confidence intervals that respect what samples share: a bootstrap over groups.

Questions about one image, or rows of one patient, stand or fall together; resampling rows as if
they were independent gives intervals that are too narrow. Here whole groups are drawn (Efron and
Tibshirani 1993, section 8; Field and Welsh 2007 for clusters), and percentiles are read off.

A resample is told by how often it holds each group, and an estimate is any function of that: a
mean, a mean over classes, or what only a whole data set has, as an F1 or an area under a curve
(components/evaluation/pooling.py). Shape letters: B resamples, G groups, S samples, C classes.

Where all groups are alike (none of three replies was harmful) every resample is, too, and says
nothing of what others would be: an interval without width would claim to know it. There the bounds
are those of how many groups may be different though none was seen (Clopper and Pearson 1934).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CHUNK_ROWS = 1 << 17  # groups drawn at a time, over the resamples held: what a cache holds
EQUAL = 1e-9  # what resamples may differ by and be the same

Floats = NDArray[np.float64]
Estimate = Callable[[Floats], Floats]  # how often each group is drawn (B, G) to values (B,)
Scale = tuple[float, float]  # the least and the greatest that a value can be
PERCENT: Scale = (0.0, 100.0)


def gain_scale(scale: Scale) -> Scale:
    """How far two values of a scale can lie apart, both ways."""
    span = scale[1] - scale[0]
    return -span, span


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


@dataclass(frozen=True, slots=True)
class Groups:
    """Which group each sample is in, ``index_S``, and how many groups there are."""

    index_S: NDArray[np.intp]
    num: int

    @property
    def every(self) -> Floats:
        """Each group once: what the value itself is estimated from, (1, G)."""
        return np.ones((1, self.num))

    def only(self, places: NDArray[np.intp]) -> Groups:
        """The groups of some of the samples."""
        found, index_S = np.unique(self.index_S[places], return_inverse=True)
        return Groups(index_S, len(found))


def find_groups(names: Sequence[str]) -> Groups:
    """The groups of samples by name. ValueError where there is no sample."""
    if not len(names):
        raise ValueError("0 samples form no groups")
    found, index_S = np.unique(np.asarray(names), return_inverse=True)
    return Groups(index_S, len(found))


def bootstrap(
    estimate: Estimate,
    groups: Groups,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    scale: Scale | None = None,
    num_telling: Sequence[int] = (),
) -> Interval:
    """The estimate with its percentile interval.

    A resample on which it is not defined (no sample of a class that it needs) is left out of the
    percentiles; without any that it is defined on there are no bounds. Where all resamples are
    equal, the bounds are those that groups not seen leave open on the estimate's ``scale``; without
    a scale they are the value itself. ``num_telling`` are the groups that it then rests on, part by
    part where it is of parts that count alike (classes, the two sides of a gap); by default those
    that it is defined on alone.
    """
    num_samples = len(groups.index_S)
    value = float(estimate(groups.every)[0])
    if groups.num < 2:
        return Interval(value, None, None, num_samples, groups.num)
    values_B = np.concatenate([estimate(w_BG) for w_BG in _draw(groups.num, resamples, seed)])
    values_B = values_B[np.isfinite(values_B)]
    if not len(values_B):
        return Interval(value, None, None, num_samples, groups.num)
    tail = (1 - confidence) / 2
    low, high = np.quantile(values_B, [tail, 1 - tail])
    if scale and high - low < EQUAL and np.ptp(values_B) < EQUAL:
        telling = num_telling or [_count_telling(estimate, groups)]
        unseen = statistics.fmean(1 - tail ** (1 / num) for num in telling)
        low, high = value - unseen * (value - scale[0]), value + unseen * (scale[1] - value)
    return Interval(value, float(low), float(high), num_samples, groups.num)


def _count_telling(estimate: Estimate, groups: Groups) -> int:
    """The groups that the estimate is defined on alone; all, where it needs more than one."""
    chunk = max(CHUNK_ROWS // groups.num, 1)
    num = 0
    for begin in range(0, groups.num, chunk):
        alone_BG = np.eye(min(chunk, groups.num - begin), groups.num, begin)
        num += int(np.isfinite(estimate(alone_BG)).sum())
    return num or groups.num


def difference(first: Estimate, second: Estimate) -> Estimate:
    """The first less the second over the same resamples: a paired difference."""
    return lambda w_BG: first(w_BG) - second(w_BG)


def estimate_mean(
    values: ArrayLike, groups: Groups, classes: Sequence[str] | None = None
) -> Estimate:
    """The mean of values, or with ``classes`` the mean over classes of each class's mean.

    A class that a resample lost is left out of that resample's mean. ValueError where the lengths
    differ.
    """
    values_S = np.asarray(values, np.float64)
    labels = classes if classes is not None else [""] * len(values_S)
    if not len(values_S) == len(groups.index_S) == len(labels):
        raise ValueError(f"{len(values_S)} values, {len(groups.index_S)} groups, {len(labels)}")
    names, class_S = np.unique(np.asarray(labels), return_inverse=True)
    cells_S = groups.index_S * len(names) + class_S
    shape = (groups.num, len(names))
    sums_GC = np.bincount(cells_S, values_S, groups.num * len(names)).reshape(shape)
    counts_GC = np.bincount(cells_S, minlength=groups.num * len(names)).reshape(shape)
    both_GK = np.hstack([sums_GC, counts_GC])  # one product reads the draws once
    return lambda w_BG: _mean_over_classes(*np.hsplit(w_BG @ both_GK, 2))


def _mean_over_classes(sums_BC: Floats, counts_BC: Floats) -> Floats:
    present_BC = counts_BC > 0
    means_BC = np.divide(sums_BC, counts_BC, out=np.zeros_like(sums_BC), where=present_BC)
    means_B: Floats = means_BC.sum(1) / present_BC.sum(1)
    return means_B


def _draw(num_groups: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each group is drawn in resamples of as many groups, in chunks of (B, G)."""
    generator = np.random.default_rng(seed)
    chunk = max(CHUNK_ROWS // num_groups, 1)
    for begin in range(0, resamples, chunk):
        num = min(chunk, resamples - begin)
        drawn_BG = generator.integers(0, num_groups, (num, num_groups), np.int32)
        w_BG = np.empty((num, num_groups))
        for w_G, drawn_G in zip(w_BG, drawn_BG, strict=True):
            w_G[:] = np.bincount(drawn_G, minlength=num_groups)
        yield w_BG


def bootstrap_mean(
    values: ArrayLike, names: Sequence[str], *, classes: Sequence[str] | None = None, **how: Any
) -> Interval:
    """Mean of the values with its bootstrap interval, clustered by the groups' names.

    ``how``: resamples, confidence and seed of ``bootstrap``. ValueError as ``estimate_mean``.
    """
    groups = find_groups(names)
    telling = count_by_class(groups, classes) if classes is not None else ()
    return bootstrap(estimate_mean(values, groups, classes), groups, num_telling=telling, **how)


def count_by_class(groups: Groups, classes: Sequence[str]) -> list[int]:
    """The groups of each class of samples, in the order of the classes."""
    names, class_S = np.unique(np.asarray(classes), return_inverse=True)
    pairs = np.unique(class_S * groups.num + groups.index_S)
    counts: list[int] = np.bincount(pairs // groups.num, minlength=len(names)).tolist()
    return counts


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
