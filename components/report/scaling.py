"""Does size help? Every pair of sizes on every data set, and the score against the parameters."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from components.config import Params
from components.evaluation.scaling import Comparison, adjust_holm, compare_sizes
from components.records import Prediction, read_records
from components.report.axes import (
    LEFT,
    PANEL_WIDTH,
    print_tick,
    round_ticks,
    scale_down,
)
from components.report.inputs import ReportInputs, ScaleGain, Scores
from components.report.numbers import print_rounded
from components.report.scores import ScoreRow

Pair = tuple[str, str]  # the smaller size, the larger
MARGIN = 30  # of the first and last size from the panel's ends


@dataclass(frozen=True, slots=True)
class Slope:
    """How a data set's score changes with size: points are (x, y, y of low, y of high)."""

    title: str
    metric: str
    y_ticks: list[tuple[float, str]]
    points: list[tuple[float, float, float, float]]
    labels: list[tuple[float, str, str]]  # x, size, parameters
    path: str
    verdict: str
    alert: bool


@dataclass(frozen=True, slots=True)
class GainRow:
    """A row of the table of all pairs."""

    title: str
    of: ScaleGain
    reading: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a step from one size to another was worth over all data sets."""

    pair: Pair
    num: int
    num_better: int
    num_worse: int


def compare_all(root: Path, params: Params, metrics: dict[str, Scores]) -> list[ScaleGain]:
    """The headline gain of each pair of sizes on each data set that both answered.

    In the order of the pairs, then of the data sets. Memory holds one data set's predictions.
    """
    pairs = list(combinations(params.sizes, 2))
    found: dict[Pair, dict[str, Comparison]] = {pair: {} for pair in pairs}
    for name in params.datasets:
        answered = _read_sizes(root, params, name, metrics)
        for smaller, larger in combinations(answered, 2):
            headline = metrics[larger][name]["headline"]
            rows = answered[smaller], answered[larger]
            found[smaller, larger][name] = compare_sizes(
                *rows, headline, params.evaluate, params.seed
            )
    level = 1 - params.evaluate.confidence
    return [
        ScaleGain(name, *pair, of.gain, of.p_value, adjusted, level)
        for pair, compared in found.items()
        for (name, of), adjusted in zip(
            compared.items(), adjust_holm([of.p_value for of in compared.values()]), strict=True
        )
    ]


def _read_sizes(
    root: Path, params: Params, name: str, metrics: dict[str, Scores]
) -> dict[str, list[Prediction]]:
    """What each size that has a headline value answered; a value may be undefined (null)."""
    answered = {}
    for size in params.sizes:
        path = root / f"predictions/{size}/{name}/predictions.parquet"
        if path.is_file() and _is_defined(metrics[size].get(name)):
            answered[size] = list(read_records(path, Prediction))
    return answered


def _is_defined(summary: dict[str, Any] | None) -> bool:
    if summary is None:
        return False
    return summary["scores"][summary["headline"]]["all"]["value"] is not None


def list_gains(inputs: ReportInputs) -> list[GainRow]:
    """Every pair of sizes on every data set, data set by data set."""
    order = {name: place for place, name in enumerate(inputs.params.datasets)}
    gains = sorted(inputs.scale_gains, key=lambda gain: order.get(gain.dataset, len(order)))
    return [GainRow(inputs.title(gain.dataset), gain, _read(gain)) for gain in gains]


def _read(gain: ScaleGain) -> str:
    if gain.better:
        return "better"
    return "worse" if gain.worse else "no difference shown"


def count_readings(inputs: ReportInputs) -> list[Reading]:
    """On how many data sets each pair of sizes differs."""
    by_pair: defaultdict[Pair, list[ScaleGain]] = defaultdict(list)
    for gain in inputs.scale_gains:
        by_pair[gain.smaller, gain.larger].append(gain)
    return [
        Reading(pair, len(of), sum(g.better for g in of), sum(g.worse for g in of))
        for pair, of in by_pair.items()
    ]


def plot_scaling(inputs: ReportInputs, rows: Sequence[ScoreRow]) -> list[Slope]:
    """One panel per data set that more than one size was scored on."""
    main: dict[str, list[ScoreRow]] = {}
    for row in rows:
        if row.is_main and row.of["value"] is not None:
            main.setdefault(row.dataset, []).append(row)
    return [_plot_slope(inputs, group) for group in main.values() if len(group) > 1]


def _plot_slope(inputs: ReportInputs, group: list[ScoreRow]) -> Slope:
    values = [
        (row.of["value"], _or(row.of["low"], row.of["value"]), _or(row.of["high"], row.of["value"]))
        for row in group
    ]
    ticks = round_ticks(min(low for _, low, _ in values), max(high for *_, high in values), 3)
    parameters = [find_parameters(inputs, row.size) for row in group]
    across = _place_sizes(parameters)
    points = [
        (x, scale_down(value, ticks), scale_down(low, ticks), scale_down(high, ticks))
        for x, (value, low, high) in zip(across, values, strict=True)
    ]
    labels = [
        (x, row.size, print_rounded(num) if num else "")
        for x, row, num in zip(across, group, parameters, strict=True)
    ]
    verdict, alert = judge_gains(
        [row.size for row in group],
        [gain for gain in inputs.scale_gains if gain.dataset == group[0].dataset],
    )
    return Slope(
        title=group[0].title,
        metric=group[0].metric,
        y_ticks=[(scale_down(tick, ticks), print_tick(tick)) for tick in ticks],
        points=points,
        labels=labels,
        path=" ".join(f"{x:.1f},{y}" for x, y, *_ in points),
        verdict=verdict,
        alert=alert,
    )


def find_parameters(inputs: ReportInputs, size: str) -> int:
    """Parameters of the models of a size, which a training stage counted; 0 where none did."""
    counted = (
        manifest["notes"].get("parameters", 0)
        for folder, manifest in inputs.manifests.items()
        if folder.startswith("data/models/") and size in folder.split("/")
    )
    return max(counted, default=0)


def _place_sizes(parameters: Sequence[int]) -> list[float]:
    """Where sizes stand on the axis of log parameters; evenly where one is not known."""
    known = all(parameters) and parameters[0] < parameters[-1]
    at = [math.log(num) for num in parameters] if known else list(range(len(parameters)))
    room = PANEL_WIDTH - LEFT - 2 * MARGIN
    return [round(LEFT + MARGIN + room * (x - at[0]) / (at[-1] - at[0]), 1) for x in at]


def judge_gains(sizes: Sequence[str], gains: Sequence[ScaleGain]) -> tuple[str, bool]:
    """In words: grows, flat or falls from the smallest size to the largest, where it stops
    growing, and whether a step is significantly worse (True)."""
    by_pair = {(gain.smaller, gain.larger): gain for gain in gains}
    whole = by_pair.get((sizes[0], sizes[-1]))
    if whole is None:
        return "", False
    words = "grows" if whole.better else "falls" if whole.worse else "flat: no difference shown"
    falls = [
        f"{smaller} to {larger}"
        for (smaller, larger), gain in by_pair.items()
        if gain.worse and len(sizes) > 2
    ]
    if falls:
        words += f"; significantly worse from {', '.join(falls)}"
    elif whole.better and (enough := _find_enough(sizes, by_pair)) != sizes[-1]:
        words += f"; no larger size is significantly better than {enough}"
    return words, bool(falls) or whole.worse


def _find_enough(sizes: Sequence[str], by_pair: dict[Pair, ScaleGain]) -> str:
    """The smallest size that no larger one significantly beats."""
    for place, size in enumerate(sizes):
        larger = [by_pair[size, other] for other in sizes[place + 1 :] if (size, other) in by_pair]
        if not any(gain.better for gain in larger):
            return size
    return sizes[-1]


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
