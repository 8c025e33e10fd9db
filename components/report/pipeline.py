"""The pipeline's picture: stages as boxes, drawn from nothing but their manifests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from textwrap import wrap
from typing import Any

BOX_WIDTH, BOX_HEIGHT = 132, 88
GAP_X, GAP_Y, MARGIN = 42, 22, 2
NAME_CHARS = 14  # of a stage's name on one line of its box
TRAINING = ("pretrain", "finetune", "instruct")  # their manifests count steps, not records


@dataclass(frozen=True, slots=True)
class Box:
    """A stage: how many products it made, and the sums of what went in, out and aside.

    What a rule left out (a limit, a retraction) is no fault, and is counted apart.
    """

    stage: str
    num_products: int
    num_in: int
    num_out: int
    num_faulty: int
    num_by_rule: int
    x: int
    y: int

    @property
    def name_lines(self) -> list[str]:
        """The stage's name, as wide as its box."""
        return wrap(self.stage.replace("_", " "), NAME_CHARS)

    @property
    def middle(self) -> float:
        """Where curves begin and end."""
        return self.y + BOX_HEIGHT / 2

    @property
    def trains(self) -> bool:
        """True where the counts are training steps."""
        return self.stage in TRAINING


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes and the curves between them, in pixels."""

    width: int
    height: int
    box_width: int
    box_height: int
    boxes: list[Box]
    curves: list[str]


def count_by_rule(manifest: Mapping[str, Any]) -> int:
    """Records that a rule left out, such as a limit or a retraction: no faults of theirs."""
    return sum(manifest["quarantine"][reason] for reason in manifest["rules"])


def draw_pipeline(manifests: Mapping[str, Mapping[str, Any]]) -> Picture | None:
    """Place each stage in the column after the last stage that it takes something from.

    ``manifests``: product folder to manifest. An edge is an input that lies in another stage's
    product; one that only shortens a way over other stages is not drawn.
    """
    if not manifests:
        return None
    parents = _find_parents(manifests)
    depths: dict[str, int] = {}
    for stage in parents:
        _measure_depth(stage, parents, depths)
    columns = [
        [stage for stage in parents if depths[stage] == depth]
        for depth in range(max(depths.values()) + 1)
    ]
    tallest = max(len(column) for column in columns)
    height = tallest * (BOX_HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN
    boxes: dict[str, Box] = {}
    for depth, column in enumerate(columns):
        column.sort(key=lambda stage: (_mean_height(parents[stage], boxes), stage))
        top = (height - len(column) * (BOX_HEIGHT + GAP_Y) + GAP_Y) // 2
        for place, stage in enumerate(column):
            x = MARGIN + depth * (BOX_WIDTH + GAP_X)
            y = top + place * (BOX_HEIGHT + GAP_Y)
            boxes[stage] = _make_box(stage, manifests, x, y)
    curves = [
        _draw_curve(boxes[parent], boxes[stage], boxes.values())
        for stage in boxes
        for parent in sorted(_direct_parents(stage, parents))
    ]
    width = len(columns) * (BOX_WIDTH + GAP_X) - GAP_X + 2 * MARGIN
    return Picture(width, height, BOX_WIDTH, BOX_HEIGHT, list(boxes.values()), curves)


def _find_parents(manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    """Stage to the stages whose products it read."""
    parents: dict[str, set[str]] = {}
    for manifest in manifests.values():
        found = parents.setdefault(manifest["stage"], set())
        for name in manifest["inputs"]:
            path = PurePosixPath(name)
            for folder in (path, *path.parents):
                if folder.as_posix() in manifests:
                    found.add(manifests[folder.as_posix()]["stage"])
        found.discard(manifest["stage"])
    return parents


def _direct_parents(stage: str, parents: Mapping[str, set[str]]) -> set[str]:
    """Parents that are not also reached by way of another parent."""
    return {
        parent
        for parent in parents[stage]
        if not any(parent in _ancestors(other, parents) for other in parents[stage] - {parent})
    }


def _ancestors(stage: str, parents: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [*parents[stage]]
    while waiting:
        above = waiting.pop()
        if above not in found:
            found.add(above)
            waiting.extend(parents[above])
    return found


def _measure_depth(
    stage: str, parents: Mapping[str, set[str]], depths: dict[str, int], above: tuple[str, ...] = ()
) -> int:
    if stage not in depths:
        # A cycle cannot come out of one run; a stale manifest must not hang the page.
        reachable = parents[stage] - {*above, stage}
        depths[stage] = 1 + max(
            (_measure_depth(parent, parents, depths, (*above, stage)) for parent in reachable),
            default=-1,
        )
    return depths[stage]


def _mean_height(stages: set[str], boxes: Mapping[str, Box]) -> float:
    heights = [boxes[stage].y for stage in stages if stage in boxes]
    return sum(heights) / len(heights) if heights else 0.0


def _make_box(stage: str, manifests: Mapping[str, Mapping[str, Any]], x: int, y: int) -> Box:
    made = [m for m in manifests.values() if m["stage"] == stage]
    counts = [m["counts"] for m in made]
    num_by_rule = sum(count_by_rule(m) for m in made)
    return Box(
        stage=stage,
        num_products=len(counts),
        num_in=sum(count["in"] for count in counts),
        num_out=sum(count["out"] for count in counts),
        num_faulty=sum(count["quarantined"] for count in counts) - num_by_rule,
        num_by_rule=num_by_rule,
        x=x,
        y=y,
    )


def _draw_curve(start: Box, end: Box, boxes: Iterable[Box]) -> str:
    """From box to box; over the columns between them along a lane where no box is in the way."""
    x1, x2 = start.x + BOX_WIDTH, end.x
    lane = _find_lane(start, end, [box for box in boxes if start.x < box.x < end.x])
    enter, leave = x1 + GAP_X, x2 - GAP_X
    first = "" if lane == start.middle else _bend(x1, start.middle, enter, lane)
    return f"M{x1},{start.middle:g}{first}H{leave}{_bend(leave, lane, x2, end.middle)}"


def _find_lane(start: Box, end: Box, between: list[Box]) -> float:
    edges = [
        edge
        for box in between
        for edge in (box.y - GAP_Y / 2, box.y + BOX_HEIGHT + GAP_Y / 2)
        if edge > 0
    ]
    free = [
        lane
        for lane in (start.middle, end.middle, *sorted(edges))
        if all(abs(lane - box.middle) > BOX_HEIGHT / 2 for box in between)
    ]
    return min(free, key=lambda lane: abs(lane - start.middle), default=start.middle)


def _bend(x1: float, y1: float, x2: float, y2: float) -> str:
    half = (x1 + x2) / 2
    return f"C{half:g},{y1:g} {half:g},{y2:g} {x2:g},{y2:g}"
