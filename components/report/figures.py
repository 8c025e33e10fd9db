"""Figures of the scores: data in, positions out; figures.html draws them.

Positions along a row are percentages, so that a row stretches with the page and its text does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.report.axes import (
    LEFT,
    PANEL_WIDTH,
    print_tick,
    round_ticks,
    scale_down,
    size_strength,
)
from components.report.inputs import ReportInputs, ScaleGain
from components.report.scores import ScoreRow


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One interval on the common axis, in percent of the axis' length."""

    row: ScoreRow
    first: bool  # of its data set
    strength: int  # 0..3, which size
    at: float
    low: float | None
    high: float | None
    baseline: float
    blank: float | None


@dataclass(frozen=True, slots=True)
class Forest:
    """A forest plot: rows over one axis."""

    unit: str
    ticks: list[tuple[float, str]]
    rows: list[ForestRow]


@dataclass(frozen=True, slots=True)
class Slope:
    """How a data set's score changes with size: points are (x, y, y of low, y of high)."""

    title: str
    metric: str
    y_ticks: list[tuple[float, str]]
    points: list[tuple[float, float, float, float]]
    labels: list[tuple[float, str]]
    path: str
    note: str
    gains: list[ScaleGain]


def plot_forest(inputs: ReportInputs, rows: Sequence[ScoreRow], unit: str) -> Forest | None:
    """Headline scores of one unit with intervals, baselines and blank-image scores."""
    chosen = [row for row in rows if row.is_main and row.unit == unit]
    if not chosen:
        return None
    highest = max(
        value for row in chosen
        for value in (row.of["value"], row.of["high"] or 0.0, row.of["baseline"])
    )  # fmt: skip
    top = 100.0 if unit == "%" else round_ticks(0, max(highest, 1.0))[-1]
    ticks = [0.0, 25.0, 50.0, 75.0, 100.0] if unit == "%" else round_ticks(0, top)

    def place(value: float | None) -> float | None:
        return None if value is None else round(100 * min(max(value, 0), top) / top, 3)

    laid = [
        ForestRow(
            row=row,
            first=index == 0 or chosen[index - 1].dataset != row.dataset,
            strength=size_strength(inputs.params, row.size),
            at=place(row.of["value"]) or 0.0,
            low=place(row.of["low"]),
            high=place(row.of["high"]),
            baseline=place(row.of["baseline"]) or 0.0,
            blank=place(row.of.get("blank")),
        )
        for index, row in enumerate(chosen)
    ]
    return Forest(unit, [(100 * tick / top, print_tick(tick)) for tick in ticks], laid)


def plot_scaling(inputs: ReportInputs, rows: Sequence[ScoreRow]) -> list[Slope]:
    """One panel per data set that more than one size was scored on."""
    main: dict[str, list[ScoreRow]] = {}
    for row in rows:
        if row.is_main:
            main.setdefault(row.dataset, []).append(row)
    return [_plot_slope(inputs, group) for group in main.values() if len(group) > 1]


def _plot_slope(inputs: ReportInputs, group: list[ScoreRow]) -> Slope:
    values = [
        (row.of["value"], _or(row.of["low"], row.of["value"]), _or(row.of["high"], row.of["value"]))
        for row in group
    ]
    ticks = round_ticks(min(low for _, low, _ in values), max(high for *_, high in values), 3)
    room = PANEL_WIDTH - LEFT - 60
    across = [LEFT + 30 + room * i / (len(group) - 1) for i in range(len(group))]
    points = [
        (x, scale_down(value, ticks), scale_down(low, ticks), scale_down(high, ticks))
        for x, (value, low, high) in zip(across, values, strict=True)
    ]
    gains = [gain for gain in inputs.scale_gains if gain.dataset == group[0].dataset]
    return Slope(
        title=group[0].title,
        metric=group[0].metric,
        y_ticks=[(scale_down(tick, ticks), print_tick(tick)) for tick in ticks],
        points=points,
        labels=[(x, row.size) for x, row in zip(across, group, strict=True)],
        path=" ".join(f"{x:.1f},{y}" for x, y, *_ in points),
        note=_judge_gains(gains),
        gains=gains,
    )


def _judge_gains(gains: Sequence[ScaleGain]) -> str:
    if any(gain.gain.below_zero for gain in gains):
        return "significantly worse with scale"
    if any(not gain.gain.above_zero for gain in gains):
        return "no significant gain from scale"
    return ""


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
