"""Charts in a small fixed box, which the page repeats side by side: losses. And ranked bars.

Data in, positions out; figures.html draws them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
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
Log = list[dict[str, Any]]
Points = list[tuple[int, float]]  # step and loss


@dataclass(frozen=True, slots=True)
class Line:
    """A polyline with its name; ``strength`` 0..3 says how strongly it is drawn.

    ``held_out``: of examples that are not trained on.
    """

    name: str
    points: str
    strength: int
    end: str
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """A small chart: ticks are (position, label)."""

    title: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    lines: list[Line]


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
    """One panel per stage and data set with a line per size, and one per stream of several.

    What was measured on held-out examples is drawn into the first as a line of its own.
    """
    panels: dict[str, list[Panel]] = {}
    grouped: dict[tuple[str, str], dict[str, Log]] = {}
    for folder, log in inputs.logs.items():
        stage, size, dataset = [*folder.split("/"), ""][:3]
        grouped.setdefault((stage, dataset), {})[size] = log
    for (stage, dataset), by_size in sorted(grouped.items(), key=lambda item: _order(item[0])):
        ordered = {size: by_size[size] for size in inputs.params.sizes if size in by_size}
        title = inputs.title(dataset) if dataset else "All streams"
        learnt = {size: [(e["step"], e["loss"]) for e in log] for size, log in ordered.items()}
        held_out = {size: read_held_out(inputs, stage, size, dataset) for size in ordered}
        drawn = [_loss_panel(inputs, title, learnt, held_out)]
        streams = {size: _split_streams(log) for size, log in ordered.items()}
        names = sorted({name for own in streams.values() for name in own})
        drawn += [
            _loss_panel(
                inputs,
                name.replace("_", " "),
                {size: own[name] for size, own in streams.items() if name in own},
            )
            for name in names
            if len(names) > 1
        ]
        panels.setdefault(stage, []).extend(drawn)
    return panels


def read_held_out(inputs: ReportInputs, stage: str, size: str, dataset: str) -> Points:
    """Step and loss of each look at examples that are not trained on, where it was a number."""
    folder = "/".join(["data/models", stage, size, *([dataset] if dataset else [])])
    notes = inputs.manifests.get(folder, {"notes": {}})["notes"]
    looks = notes.get("validation", {}).get("validations", [])
    return [(look["step"], look["nll"]) for look in looks if look["nll"] is not None]


def _split_streams(log: Log) -> dict[str, Points]:
    """The loss of each stream at the steps that had it; of the parts where none are told apart."""
    found: dict[str, Points] = {}
    for entry in log:
        for name, loss in (entry.get("streams") or entry["parts"]).items():
            found.setdefault(name, []).append((entry["step"], loss))
    return found


def _order(key: tuple[str, str]) -> int:
    """Stages in the order in which they run; data sets of a stage as they were found."""
    order = ["pretrained", "finetuned", "instructed"]
    return order.index(key[0]) if key[0] in order else len(order)


def _loss_panel(
    inputs: ReportInputs,
    title: str,
    learnt: dict[str, Points],
    held_out: Mapping[str, Points] = MappingProxyType({}),
) -> Panel:
    points = [point for line in (*learnt.values(), *held_out.values()) for point in line]
    x_ticks = round_ticks(0, max((x for x, _ in points), default=1), 3)
    y_ticks = round_ticks(0, max((y for _, y in points), default=1), 3)

    def across(x: float) -> float:
        return round(LEFT + (PANEL_WIDTH - LEFT - RIGHT) * x / x_ticks[-1], 1)

    def draw(size: str, line: Points, held_out: bool) -> Line:
        return Line(
            name=f"{size} held out" if held_out else size,
            points=" ".join(f"{across(x)},{scale_down(y, y_ticks)}" for x, y in line),
            strength=size_strength(inputs.params, size),
            end=f"{line[-1][1]:.2f}" if line else "",
            held_out=held_out,
        )

    lines = [draw(size, line, held_out=False) for size, line in learnt.items()]
    lines += [draw(size, line, held_out=True) for size, line in held_out.items() if line]
    return Panel(
        title,
        [(across(tick), print_tick(tick)) for tick in x_ticks],
        [(scale_down(tick, y_ticks), print_tick(tick)) for tick in y_ticks],
        lines,
    )
