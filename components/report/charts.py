"""Charts in a small fixed box, which the page repeats side by side: losses. And ranked bars.

Data in, positions out; figures.html draws them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.report.axes import (
    LEFT,
    PANEL_WIDTH,
    RIGHT,
    print_tick,
    round_ticks,
    scale_down,
    size_strength,
)
from components.report.inputs import ReportInputs

MAX_BARS = 12
UNSTATED = "not stated"


@dataclass(frozen=True, slots=True)
class Line:
    """A polyline with its name; ``strength`` 0..3 says how strongly it is drawn."""

    name: str
    points: str
    strength: int
    end: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A small chart: ticks are (position, label)."""

    title: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    lines: list[Line]
    x_label: str


def rank_bars(counts: dict[str, int]) -> list[tuple[str, int]]:
    """The most frequent first, MAX_BARS at most, the last of them for all the rest.

    Nothing where every row says nothing: a single bar "not stated" tells nobody anything.
    """
    if not any(counts):
        return []
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    named = [(name or UNSTATED, count) for name, count in ranked]
    if len(named) <= MAX_BARS:
        return named
    rest = named[MAX_BARS - 1 :]
    return [*named[: MAX_BARS - 1], (f"and {len(rest)} more", sum(count for _, count in rest))]


def plot_losses(inputs: ReportInputs) -> dict[str, list[Panel]]:
    """One panel per stage and data set with a line per size; pretraining also one per stream."""
    panels: dict[str, list[Panel]] = {}
    grouped: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
    for folder, log in inputs.logs.items():
        stage, size, dataset = [*folder.split("/"), ""][:3]
        grouped.setdefault((stage, dataset), {})[size] = log
    for (stage, dataset), by_size in sorted(grouped.items(), key=lambda item: _order(item[0])):
        ordered = {size: by_size[size] for size in inputs.params.sizes if size in by_size}
        parts = {name for log in ordered.values() for entry in log for name in entry["parts"]}
        total = _loss_panel(inputs, inputs.title(dataset) if dataset else "All parts", ordered)
        split = [
            _loss_panel(inputs, name.replace("_", " "), ordered, name)
            for name in sorted(parts)
            if len(parts) > 1
        ]
        panels.setdefault(stage, []).extend([total, *split])
    return panels


def _order(key: tuple[str, str]) -> int:
    """Stages in the order in which they run; data sets of a stage as they were found."""
    order = ["pretrained", "finetuned", "instructed"]
    return order.index(key[0]) if key[0] in order else len(order)


def _loss_panel(
    inputs: ReportInputs, title: str, logs: dict[str, list[dict[str, Any]]], part: str = ""
) -> Panel:
    series = {
        size: [
            (entry["step"], entry["parts"][part] if part else entry["loss"])
            for entry in log
            if not part or part in entry["parts"]
        ]
        for size, log in logs.items()
    }
    points = [point for line in series.values() for point in line]
    x_ticks = round_ticks(0, max((x for x, _ in points), default=1), 3)
    y_ticks = round_ticks(0, max((y for _, y in points), default=1), 3)

    def across(x: float) -> float:
        return round(LEFT + (PANEL_WIDTH - LEFT - RIGHT) * x / x_ticks[-1], 1)

    lines = [
        Line(
            name=size,
            points=" ".join(f"{across(x)},{scale_down(y, y_ticks)}" for x, y in line),
            strength=size_strength(inputs.params, size),
            end=f"{line[-1][1]:.2f}" if line else "",
        )
        for size, line in series.items()
    ]
    return Panel(
        title,
        [(across(tick), print_tick(tick)) for tick in x_ticks],
        [(scale_down(tick, y_ticks), print_tick(tick)) for tick in y_ticks],
        lines,
        "step",
    )
