"""Figures of the scores: data in, positions out; figures.html draws them.

Positions along a row are percentages, so that a row stretches with the page and its text does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.report.axes import print_tick, round_ticks, size_strength
from components.report.inputs import ReportInputs
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


def plot_forest(inputs: ReportInputs, rows: Sequence[ScoreRow], unit: str) -> Forest | None:
    """Headline scores of one unit with intervals, baselines and blank-image scores.

    One that is not defined (null) has no place on the axis.
    """
    known = [row for row in rows if row.is_main and row.of["value"] is not None]
    chosen = [row for row in known if row.unit == unit]
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
