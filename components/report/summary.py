"""The run in a few sentences: what was trained, and each data set's score against its baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from components.report.inputs import ReportInputs
from components.report.numbers import print_count, print_range, print_rounded, print_score
from components.report.scaling import find_parameters
from components.report.scores import ScoreRow

Standing = Literal["above", "level", "below"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """What one headline score says: of which set, whether it stands above its baseline."""

    title: str
    standing: Standing
    score: str
    interval: str
    metric: str
    words: str
    image: str  # what it is worth; "" where there is none
    image_helps: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """A line for each size that was trained, and sentences by kind of task."""

    trained: list[tuple[str, str]]
    size: str  # whose scores the sentences tell
    tasks: list[tuple[str, list[Sentence]]]


def summarize_run(inputs: ReportInputs, scores: Sequence[ScoreRow]) -> Summary:
    """The largest size that was scored on each data set speaks for it."""
    largest = {row.dataset: row for row in scores if row.is_main}
    size = next((s for s in reversed(inputs.params.sizes) if s in inputs.metrics), "")
    tasks: dict[str, list[Sentence]] = {}
    for row in largest.values():
        tasks.setdefault(row.task, []).append(_say(row, size))
    trained = [(name, words) for name in inputs.params.sizes if (words := _tell_size(inputs, name))]
    return Summary(trained, size, list(tasks.items()))


def _say(row: ScoreRow, size: str) -> Sentence:
    of = row.of
    standing, words = _compare(of)
    helps = row.sees_images and of["falls_when_blank"]
    worth = f"the image is worth {print_score(of['visual_gain'])} of it" if helps else ""
    return Sentence(
        title=row.title if row.size == size else f"{row.title}, {row.size}",
        standing=standing,
        score=print_score(of["value"]),
        interval=print_range(of["low"], of["high"]),
        metric=row.metric,
        words=words,
        image=worth or ("the image is not shown to help" if row.sees_images else ""),
        image_helps=helps,
    )


def _compare(of: Mapping[str, Any]) -> tuple[Standing, str]:
    gain, high = of["baseline_gain"], of["baseline_gain_high"]
    bounds = print_range(of["baseline_gain_low"], high, True)
    told = f" ({bounds})" if bounds else ""
    if of["beats_baseline"]:
        return "above", f"{print_score(gain)} above its baseline{told}"
    if high is not None and high < 0:
        return "below", f"{print_score(-gain)} below its baseline{told}"
    return "level", f"not shown to be above its baseline of {print_score(of['baseline'])}{told}"


def _tell_size(inputs: ReportInputs, size: str) -> str:
    """``1.2 million parameters, pretrained for 600 steps, fine-tuned on 8 data sets``"""
    parts = []
    if num := find_parameters(inputs, size):
        parts.append(f"{print_rounded(num)} parameters")
    if steps := _count_steps(inputs, f"data/models/pretrained/{size}"):
        parts.append(f"pretrained for {print_count(steps)} steps")
    tuned = [name for name in inputs.params.datasets
             if f"data/models/finetuned/{size}/{name}" in inputs.manifests]  # fmt: skip
    if tuned:
        steps = sum(_count_steps(inputs, f"data/models/finetuned/{size}/{name}") for name in tuned)
        sets = "data set" if len(tuned) == 1 else "data sets"
        parts.append(f"fine-tuned on {len(tuned)} {sets} ({print_count(steps)} steps in all)")
    if steps := _count_steps(inputs, f"data/models/instructed/{size}"):
        parts.append(f"tuned on instructions for {print_count(steps)} steps")
    return ", ".join(parts)


def _count_steps(inputs: ReportInputs, folder: str) -> int:
    manifest = inputs.manifests.get(folder)
    return manifest["counts"]["out"] if manifest else 0
