"""This run's scores beside published ones, and what this run knows of why they may differ."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from components.cards import Card, Published
from components.report.inputs import ReportInputs
from components.report.numbers import print_count, print_rounded

# Read in a source, or reckoned from what was; a figure from memory, or of no source, is not shown.
SUPPORTED = re.compile(r"\[[FD](: [^\]]+)?\] \S")
MEASURES = {
    "accuracy": ("accuracy", "all"),
    "accuracy, all": ("accuracy", "all"),
    "accuracy, open": ("accuracy", "open"),
    "accuracy, closed": ("accuracy", "closed"),
    "weighted F1": ("weighted_f1", "all"),
    "macro F1": ("macro_f1", "all"),
    "CIDEr": ("cider", "all"),
    "ROUGE-L": ("rouge_l", "all"),
    "METEOR": ("meteor_exact_stem", "all"),
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure of one data set: ours by size, published figures, and why they may differ."""

    title: str
    measure: str
    metric: str  # ours, with its version
    ours: list[tuple[str, dict[str, Any]]]
    published: list[Published]
    reasons: list[str]


def list_comparisons(inputs: ReportInputs) -> list[Comparison]:
    """Every measure that was both published and computed here, in the order of params.yaml."""
    return [
        found
        for name in inputs.params.datasets
        if name in inputs.cards
        for found in _compare(inputs, inputs.cards[name])
    ]


def find_measure(card: Card, measure: str) -> tuple[str, str]:
    """Our metric and subset for what a publication calls its measure; KeyError where unknown."""
    metric, subset = MEASURES[measure]
    return ("vqa_accuracy" if (card.task, metric) == ("vqa", "accuracy") else metric), subset


def _compare(inputs: ReportInputs, card: Card) -> Iterator[Comparison]:
    known = [
        figure
        for figure in card.published
        if SUPPORTED.match(figure.evidence) and figure.metric in MEASURES
    ]
    for measure, zero_shot in dict.fromkeys((one.metric, one.zero_shot) for one in known):
        metric, subset = find_measure(card, measure)
        scores = inputs.zero_shot if zero_shot else inputs.metrics
        found = {
            size: scores[size][card.name]
            for size in inputs.params.sizes
            if subset in scores.get(size, {}).get(card.name, {}).get("scores", {}).get(metric, {})
        }
        if not found:
            continue
        ours = [(size, one["scores"][metric][subset]) for size, one in found.items()]
        summary = next(iter(found.values()))
        about = next(one for one in summary["metrics"] if one["name"] == metric)
        reasons = [
            *_tell_data(inputs, card, summary["scores"][metric]["all"]["n"]),
            *_tell_answers(summary),
            *_tell_models(inputs, card.name, list(found), zero_shot),
            *_tell_definition(summary, about),
        ]
        yield Comparison(
            title=card.title,
            measure=f"{measure}, zero-shot" if zero_shot else measure,
            metric=f"{about['title']} {about['version']}",
            ours=ours,
            published=[one for one in known if (one.metric, one.zero_shot) == (measure, zero_shot)],
            reasons=reasons,
        )


def _tell_data(inputs: ReportInputs, card: Card, num_test: int) -> Iterator[str]:
    if inputs.synthetic:
        yield "made-up data, of which no published figure says anything"
        return
    notes = inputs.manifests.get(f"data/examples/{card.name}", {"notes": {}})["notes"]
    if "test" in notes.get("derived_splits", ()):
        yield "the test split was drawn by this project"
    released = {one.records["test"] for one in card.releases if "test" in one.records}
    if released and num_test not in released:
        known = " or ".join(print_count(num) for num in sorted(released))
        yield f"{print_count(num_test)} test items; releases have {known}"
    elif card.releases and not notes.get("release"):
        yield "the number of records is that of no known release"


def _tell_answers(summary: dict[str, Any]) -> Iterator[str]:
    if summary["candidates"] == "train":
        outside = f"{summary['answers_outside']:.1f} % of the test items lack theirs"
        yield f"chosen among answers of train and validation: {outside}"
    elif summary["candidates"] == "paper":
        yield "chosen among answers of train, validation and test, as the reference does"
    elif summary["task"] == "vqa":
        yield "free text, not chosen among answers"


def _tell_models(
    inputs: ReportInputs, name: str, sizes: list[str], zero_shot: bool
) -> Iterator[str]:
    tuned = "instructed/{}" if zero_shot else f"finetuned/{{}}/{name}"
    for size in sizes:
        notes = inputs.manifests.get(f"data/models/{tuned.format(size)}", {"notes": {}})["notes"]
        if "parameters" in notes:
            yield f"{size} has {print_rounded(notes['parameters'])} parameters"
    settings = [
        inputs.manifests[folder]["settings"]
        for folder in (f"data/models/pretrained/{size}" for size in sizes)
        if folder in inputs.manifests
    ]
    scratch = [one["steps"] for one in settings if not one.get("start_from")]
    if scratch:
        steps = " and ".join(print_count(num) for num in sorted(set(scratch)))
        yield f"pretrained from scratch, for {steps} steps"
    if len(scratch) < len(settings):
        yield "pretraining went on from given weights"


def _tell_definition(summary: dict[str, Any], about: dict[str, str]) -> Iterator[str]:
    siblings = {one["name"]: one for one in summary["metrics"]}
    if paper := siblings.get(about.get("paper", "")):
        yield f"the paper's way is another definition: {paper['differs']}"
    elif about.get("differs"):
        yield about["differs"]
