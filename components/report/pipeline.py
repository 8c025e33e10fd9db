"""The pipeline's picture: stages as boxes, drawn from nothing but their manifests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

BOX_WIDTH, BOX_HEIGHT = 154, 72
GAP_X, GAP_Y, MARGIN = 24, 22, 2
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
        _draw_curve(boxes[parent], boxes[stage])
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


def _draw_curve(start: Box, end: Box) -> str:
    x1, y1 = start.x + BOX_WIDTH, start.y + BOX_HEIGHT / 2
    x2, y2 = end.x, end.y + BOX_HEIGHT / 2
    bend = max((x2 - x1) / 2, GAP_X / 2)
    return f"M{x1},{y1:g}C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2},{y2:g}"
