"""Scores as rows of a table: one row per data set, size, metric and subset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.evaluation.conditions import OTHER_ANSWERS
from components.report.inputs import ReportInputs, Scores

TASK_TITLES = {
    "vqa": "Visual question answering",
    "caption": "Image captioning",
    "classify": "Image classification",
    "understand": "Text understanding",
    "summarize": "Text summarization",
    "answer": "Question answering",
    "instruct": "Instructions",
}


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One scored thing. ``of`` is the metrics JSON of its subset (see evaluation.summary)."""

    dataset: str
    title: str
    task: str
    size: str
    metric: str
    unit: str
    subset: str
    headline: bool
    of: dict[str, Any]

    @property
    def is_main(self) -> bool:
        """The headline metric over all test items."""
        return self.headline and self.subset == "all"

    @property
    def sees_images(self) -> bool:
        """True where the image was also blanked."""
        return "visual_gain" in self.of


def list_scores(inputs: ReportInputs, by_size: dict[str, Scores]) -> list[ScoreRow]:
    """Every score in the order: data set (as in params.yaml), metric, subset, size."""
    sizes = [size for size in inputs.params.sizes if size in by_size]
    datasets = [
        *inputs.params.datasets,
        *sorted({name for scores in by_size.values() for name in scores}
                - set(inputs.params.datasets)),
    ]  # fmt: skip
    rows: list[ScoreRow] = []
    for dataset in datasets:
        found = {size: by_size[size][dataset] for size in sizes if dataset in by_size[size]}
        keys = {
            (metric, subset): None
            for summary in found.values()
            for metric, subsets in summary["scores"].items()
            for subset in subsets
        }
        rows.extend(
            _make_row(inputs, size, summary, metric, subset)
            for metric, subset in keys
            for size, summary in found.items()
            if subset in summary["scores"].get(metric, {})
        )
    return rows


def _make_row(
    inputs: ReportInputs, size: str, summary: dict[str, Any], metric: str, subset: str
) -> ScoreRow:
    about = next(known for known in summary["metrics"] if known["name"] == metric)
    return ScoreRow(
        dataset=summary["dataset"],
        title=inputs.title(summary["dataset"]),
        task=TASK_TITLES.get(summary["task"], summary["task"]),
        size=size,
        metric=about["title"],
        unit=about["unit"],
        subset=subset,
        headline=metric == summary["headline"],
        of=summary["scores"][metric][subset],
    )


ANSWER_SETS = {
    "train": "answers of train and validation",
    "paper": "answers of train, validation and test: not a fair test, to compare with the paper",
    "fixed": "fixed classes",
    "options": "the item's options",
    "none": "free text",
}


@dataclass(frozen=True, slots=True)
class AnswerSet:
    """What a data set's answers were chosen among; how many test items lack theirs, in percent."""

    title: str
    words: str
    size: int | None
    outside: float | None


def list_answer_sets(inputs: ReportInputs) -> list[AnswerSet]:
    """The answer set of each data set whose answers are chosen, in the order of params.yaml."""
    found = {
        name: AnswerSet(
            inputs.title(name),
            ANSWER_SETS[summary["candidates"]],
            summary["num_candidates"],
            summary["answers_outside"],
        )
        for scores in inputs.metrics.values()
        for name, summary in scores.items()
        if summary["candidates"] != "none"
    }
    return [found[name] for name in inputs.params.datasets if name in found]


@dataclass(frozen=True, slots=True)
class OtherAnswers:
    """A headline score by the list that was used, and by the other one (``of``: value and gain of
    the first over it, with bounds; None where it was not asked, as of one and the same list)."""

    row: ScoreRow
    used: str
    summary: dict[str, Any]
    of: dict[str, Any] | None

    @property
    def is_same(self) -> bool:
        """Whether both are one list: that with the test answers holds the other."""
        same: bool = self.summary["num_candidates"] == self.summary["other"]["num_candidates"]
        return same


def list_other_answers(inputs: ReportInputs) -> list[OtherAnswers]:
    """The headline scores of data sets for which there are two lists of answers."""
    main = [row for row in list_scores(inputs, inputs.metrics) if row.is_main]
    pairs = [(row, inputs.metrics[row.size][row.dataset]) for row in main]
    return [
        OtherAnswers(row, summary["candidates"], summary, row.of["conditions"].get(OTHER_ANSWERS))
        for row, summary in pairs
        if "other" in summary and "conditions" in row.of
    ]


def list_definitions(inputs: ReportInputs) -> list[dict[str, str]]:
    """Each metric that occurs, once, with version and definition."""
    found: dict[str, dict[str, str]] = {}
    for by_size in (inputs.metrics, inputs.zero_shot):
        for scores in by_size.values():
            for summary in scores.values():
                found |= {metric["name"]: metric for metric in summary["metrics"]}
    return [found[name] for name in sorted(found)]
