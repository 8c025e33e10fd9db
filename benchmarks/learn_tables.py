"""The tables of benchmarks/learn.py: scores with their intervals, and means over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats  # type: ignore[import-untyped]

from components.evaluation.summary import WHOLE

Scores = dict[str, Any]  # by metric and category, as components.evaluation.summary gives them


def of_interval(score: Scores, name: str = "") -> str:
    """A value with its bounds."""
    keys = (name, f"{name}_low", f"{name}_high") if name else ("value", "low", "high")
    if keys[0] not in score:
        return "-"
    value, low, high = (score[key] for key in keys)
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def of_seeds(values: Sequence[float]) -> str:
    """Mean with its 95 % Student's t interval over seeds."""
    mean, num = statistics.mean(values), len(values)
    if num < 2:
        return f"{mean:.1f}"
    half = stats.t.ppf(0.975, num - 1) * statistics.stdev(values) / math.sqrt(num)
    return f"{mean:.1f} [{mean - half:.1f}, {mean + half:.1f}]"


@dataclass(frozen=True)
class Learnt:
    """One trained model: scores on validation, on training items and, if asked, on the test."""

    seed: int
    seconds: float
    validation: Scores
    fitted: Scores
    test: Scores  # beside the plain guess
    baseline: Scores  # the same answers, beside the report's baseline


def tell_seeds(metric: str, subset: str, runs: Sequence[Learnt], plain: str) -> list[str]:
    """The table of the test split: a row for each seed, and their means."""
    own = [(run, run.test[metric][subset], run.baseline[metric][subset]) for run in runs]
    fitted = [run.fitted[metric][subset]["value"] for run in runs]
    checked = [run.validation[metric][subset]["value"] for run in runs]
    rows = [
        f"| {run.seed} | {of_interval(score)} | {score['baseline']:.1f} | "
        f"{of_interval(score, 'baseline_gain')} | {of_interval(other, 'baseline_gain')} | "
        f"{of_interval(score, 'blank')} | {of_interval(score, 'visual_gain')} | {on:.1f} | "
        f"{fit:.1f} |"
        for (run, score, other), on, fit in zip(own, checked, fitted, strict=True)
    ]
    scores, others = [score for _, score, _ in own], [other for _, _, other in own]

    def over(name: str, found: Sequence[Scores] = scores) -> str:
        return of_seeds([score[name] for score in found]) if name in found[0] else "-"

    means = (
        over("value"), f"{scores[0]['baseline']:.1f}", over("baseline_gain"),
        over("baseline_gain", others), over("blank"), over("visual_gain"),
        of_seeds(checked), of_seeds(fitted),
    )  # fmt: skip
    titles = (
        "seed", "test", plain, "gain over it", "gain over the report's baseline", "blank image",
        "gain by the image", "validation", "training items",
    )  # fmt: skip
    return [
        "| " + " | ".join(titles) + " |",
        "|" + "---|" * len(titles),
        *rows,
        f"| mean of {len(runs)} | " + " | ".join(means) + " |",
    ]


def tell_others(metric: str, subset: str, runs: Sequence[Learnt]) -> str:
    """The other metrics and categories of the test, means over seeds, in a sentence."""
    told = [
        f"{name} of {'all' if part == WHOLE else part} "
        f"{of_seeds([run.test[name][part]['value'] for run in runs])}"
        for name, parts in runs[0].test.items()
        for part in parts
        if (name, part) != (metric, subset)
    ]
    return "Beside it: " + "; ".join(told) + "."


def tell_curve(metric: str, subset: str, points: dict[int, list[Learnt]]) -> list[str]:
    """The curve over training examples: means over seeds on validation and training items."""

    def mean(runs: Sequence[Learnt], where: str) -> str:
        return of_seeds([getattr(run, where)[metric][subset]["value"] for run in runs])

    rows = [
        f"| {num} | {mean(runs, 'validation')} | {mean(runs, 'fitted')} | {len(runs)} |"
        for num, runs in sorted(points.items())
    ]
    head = "| training examples | validation | training items | seeds |"
    return [head, "|---|---|---|---|", *rows]
