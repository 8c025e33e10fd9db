"""Faults that are planted are found, each by the parts that a run would find it with.

A model that looks at no image, a test split that was learnt, and a metric that would take the "no"
of "normal" for a "no": from weights, images and answers to the flag on the page.
"""

# ruff: noqa: F811  (fixtures of another room)

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from components.audit.material import item_of_example
from components.audit.search import search
from components.audit.summary import summarize as summarize_audit
from components.cards import Card
from components.config import Params
from components.evaluation.examine import Exam, read_exam, sit_exam
from components.evaluation.metrics import METRICS
from components.evaluation.predict import Answerer
from components.evaluation.summary import summarize
from components.interop.answers import score_answers
from components.records import Example, ImageRecord
from components.report.flags import find_flags
from components.report.inputs import ReportInputs
from components.report.page import build_report
from components.report.scores import list_scores
from tests.components.evaluation.conftest import (  # noqa: F401
    answerer,
    card,
    make_example,
    make_image,
    model,
    place,
    vocabulary,
)

NO_HELP = "The image does not help: the score stays when it is blank"
LEARNT = "Test images that are also training images, byte for byte"
NUM_IMAGES = 60


@pytest.fixture(scope="module")
def images() -> list[ImageRecord]:
    return [make_image(number) for number in range(NUM_IMAGES)]


def ask_of(images: list[ImageRecord]) -> list[Example]:
    """A question about each image, of a group of its own; every third is a test item."""
    return [
        replace(
            make_example("vqa", number, {"question": "is it normal", "answer": answer}, image.id),
            dataset="slake", group=image.id, category="",
        )
        for number, image in enumerate(images)
        for answer in [("yes", "no")[number % 2]]
    ]  # fmt: skip


def weigh_images(answerer: Answerer, weight: float) -> Answerer:
    """The same model, to which images matter so much more, or with 0 not at all."""
    other = copy.deepcopy(answerer.model)
    with torch.no_grad():
        other.encoder.image_proj.weight.mul_(weight)
    return replace(answerer, model=other)


def show_flags(inputs: ReportInputs, exam: Exam, answerer: Answerer) -> dict[str, str]:
    """The titles and details of what the report of one size flags in this exam's score."""
    params = inputs.params
    answers = sit_exam(exam, answerer, params.evaluate, size="debug", seed=params.seed)
    summary = summarize(answers, exam.card, params.evaluate, params.seed) | exam.describe_answers()
    told = replace(inputs, metrics={"debug": {"slake": summary}})
    found = find_flags(told, list_scores(told, told.metrics), [])
    return {flag.title: flag.detail for flag in found}


def test_a_model_that_ignores_images_is_flagged(
    inputs: ReportInputs, images: list[ImageRecord], answerer: Answerer,
    card: Callable[[str], Card], place: Callable[[list[Example]], Path],
) -> None:  # fmt: skip
    """The truth is what a model says that looks; one that cannot see is held to it."""
    seeing, blind = weigh_images(answerer, 30), weigh_images(answerer, 0)
    asked = read_exam(card("slake"), place(ask_of(images)))
    settings = inputs.params.evaluate
    said = [p for p in sit_exam(asked, seeing, settings, size="debug", seed=1)
            if p.condition == "full"]  # fmt: skip
    assert len({p.prediction for p in said}) > 1
    test = [replace(e, target=f" {p.prediction}", references=[p.prediction])
            for e, p in zip(asked.test, said, strict=True)]  # fmt: skip
    exam = replace(asked, test=test)
    assert show_flags(inputs, exam, blind)[NO_HELP] == "SLAKE (debug)"
    assert NO_HELP not in show_flags(inputs, exam, seeing)


def audit(rows: list[Example], images: list[ImageRecord], inputs: ReportInputs) -> ReportInputs:
    """The report's inputs with the audit of these rows."""
    train = [item_of_example(e, is_prose=False) for e in rows if e.split == "train"]
    tests = [e for e in rows if e.split == "test"]
    found = search(tests, lambda: train, lambda: images, inputs.params.audit)
    summary = json.loads(json.dumps(summarize_audit(found, tests, inputs.params.audit)))
    return replace(inputs, audit=summary, overlap_pictures={})


def read_heading(page: str, title: str) -> str:
    """The first cell of a data set's row in the table of headline scores."""
    table = page.partition("<h3>Headline scores</h3>")[2]
    return table.partition(f'<th scope="row">{title}')[2].partition("</th>")[0]


def test_a_split_that_was_learnt_is_flagged_beside_its_score(
    inputs: ReportInputs, images: list[ImageRecord]
) -> None:
    rows = ask_of(images)
    tests = [e for e in rows if e.split == "test"]
    leaked = [
        replace(e, id=f"slake/again{i}", split="train", group=f"again{i}", source=" what is it?")
        for i, e in enumerate(tests[:7])
    ]
    clean, leaky = audit(rows, images, inputs), audit([*rows, *leaked], images, inputs)
    flags = {flag.title: flag for flag in find_flags(leaky, [], [])}
    assert flags[LEARNT].level == "red" and flags[LEARNT].detail == "SLAKE in SLAKE: 7 of 20"
    heading = read_heading(build_report(leaky), "SLAKE")
    assert 'class="alert"' in heading and "7 of 20 test items: same image as in SLAKE" in heading
    assert LEARNT not in {flag.title for flag in find_flags(clean, [], [])}
    assert "test items:" not in read_heading(build_report(clean), "SLAKE")


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(("said", "wanted"), [("normal", "no"), ("no", "normal")])
def test_no_metric_finds_a_no_in_normal(name: str, said: str, wanted: str) -> None:
    assert [float(value) for value in METRICS[name].score([said], [[wanted]])] == [0.0]


def test_normal_to_every_no_scores_nothing(
    params: Params, images: list[ImageRecord], tmp_path: Path,
    card: Callable[[str], Card], place: Callable[[list[Example]], Path],
) -> None:  # fmt: skip
    """From a file of answers to the scores, by the clean definition and by the paper's."""
    folder = place([replace(e, target=" no", references=["no"]) for e in ask_of(images)])
    test = read_exam(card("slake"), folder).test
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps({"id": e.id, "prediction": "normal"}) + "\n" for e in test))
    scores = score_answers(path, card("slake"), folder, params)["scores"]
    assert {name: of["all"]["value"] for name, of in scores.items()} == dict.fromkeys(scores, 0.0)
    assert scores["vqa_accuracy"]["all"]["paper"] == 0.0
