"""One data set's test split, answered under every condition, beside the baseline's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from components.cards import Card
from components.config import EvaluateParams
from components.dataset.answer_sets import FROM_ANSWERS, OTHERS, candidate_sets
from components.dataset.images import ImageStore
from components.errors import UserError
from components.evaluation.answer_sets import describe_answer_set
from components.evaluation.baselines import fit_baseline
from components.evaluation.cache import Answer, AnswerCache
from components.evaluation.conditions import (
    CHOSEN,
    FULL,
    OPEN,
    OTHER_ANSWERS,
    applicable,
    show,
)
from components.evaluation.predict import Answerer, answer_all
from components.progress import Advance, say, show_progress
from components.records import Example, Prediction, read_records
from components.tasks.base import Task
from components.tasks.registry import TASKS

BASELINES: dict[str, Literal["candidates", "options", "text"]] = {
    "fixed": "candidates",
    "train": "candidates",
    "paper": "candidates",
    "options": "options",
    "none": "text",
}
INSTRUCTION = "instruct"


@dataclass(frozen=True)
class Exam:
    """A test split with what its answers are judged beside. ``card`` is the card as it is used.

    ``candidates`` are the answers that each test item may get; ``others`` those that it might get
    by the other of two lists: without the answers of the test split, or with them.
    """

    card: Card
    task: Task
    train: Sequence[Example]
    test: Sequence[Example]
    candidates: Sequence[list[str]]
    images: Path
    baseline: Literal["candidates", "options", "text"]
    others: Sequence[list[str]] = ()

    def describe_answers(self) -> dict[str, Any]:
        """How large the answer set is, and how many test items it leaves without their answer;
        ``other`` the same of the list that it is told beside, where there is one."""
        told: dict[str, Any] = {**describe_answer_set(self.card, self.test, self.candidates)}
        if self.others:
            other = describe_answer_set(self.card, self.test, self.others)
            told["other"] = {"candidates": OTHERS[self.card.candidates], **other}
        return told

    def find_conditions(self, conditions: Sequence[str]) -> list[str]:
        """Those of the conditions that mean something here: the same list once more does not."""
        found = applicable(conditions, self.card.task, self.test)
        differ = bool(self.others) and self.others[0] != self.candidates[0]
        return [name for name in found if name != OTHER_ANSWERS or differ]


def read_exam(card: Card, folder: Path, split: str = "test") -> Exam:
    """The exam of a fine-tuned model; UserError where there is nothing to test on.

    Asked of ``train`` it says how well what was learnt fits, of ``validation`` which settings to
    choose; the answers to choose among are those of the test.
    """
    path = folder / "examples.parquet"
    examples = list(read_records(path, Example))
    test = [example for example in examples if example.split == split]
    if not test:
        raise UserError(
            f"{path} has no {split} examples",
            why=f"a data set without a {split} split cannot be scored",
            next_command="raise prepare.derived_test in params.yaml, or look at quarantine.parquet",
        )
    train = [example for example in examples if example.split == "train"]
    known = [example for example in examples if example.split != "test"]
    candidates = candidate_sets(card, known, test)
    images, baseline = folder / "images.parquet", BASELINES[card.candidates]
    others: list[list[str]] = []
    if card.candidates in OTHERS:
        other = card.model_copy(update={"candidates": OTHERS[card.candidates]})
        others = candidate_sets(other, known, test)
    return Exam(card, TASKS[card.task], train, test, candidates, images, baseline, others)


def read_zero_shot_exam(card: Card, folder: Path, answers: str = "") -> Exam:
    """The same items asked as instructions, and answered ``open`` or ``chosen``.

    Without a word the answers of the data set's own splits are not offered: where the card takes
    them, the text is free. The baseline still knows the train split, which makes it the harder one.
    """
    exam = read_exam(card, folder)
    asked = [replace(example, prefix="", task=INSTRUCTION) for example in exam.test]
    if (answers or own_answers(card)) == OPEN:
        free = card.model_copy(update={"candidates": "none"})
        exam = replace(exam, card=free, candidates=[[]] * len(asked), others=())
    return replace(exam, task=TASKS[INSTRUCTION], test=asked)


def own_answers(card: Card) -> str:
    """How a card's items are answered zero-shot: chosen only where the answers are known before."""
    return OPEN if card.candidates in (*FROM_ANSWERS, "none") else CHOSEN


def sit_exam(
    exam: Exam,
    answerer: Answerer,
    params: EvaluateParams,
    *,
    size: str,
    seed: int,
    kept: Path | None = None,
) -> list[Prediction]:
    """Predictions for every test item under every condition that means something for it.

    ``kept`` is a folder for the answers of this model to this exam: what it holds is not computed
    again, and what it holds beside them is removed.
    """
    guess = fit_baseline(exam.train, exam.baseline, seed)
    guesses = [guess(example).strip() for example in exam.test]
    sees = any(example.image_id for example in exam.test)
    store = ImageStore([exam.images], answerer.image_px) if sees else None
    cache = AnswerCache(kept, say) if kept else None
    conditions = exam.find_conditions(params.conditions)
    predictions: list[Prediction] = []
    label, total = f"{exam.card.title} {size}", len(exam.test) * len(conditions)
    with show_progress(label, total) as advance:
        for done, condition in enumerate(conditions):
            answers = answer_all(
                answerer,
                exam.task,
                show(exam.test, condition, seed),
                exam.others if condition == OTHER_ANSWERS else exam.candidates,
                store=store,
                cache=cache,
                warn=condition == FULL,
                advance=partial(_advance_from, advance, done * len(exam.test)),
            )
            predictions += [
                record_answer(example, answer, guessed, condition, size)
                for example, answer, guessed in zip(exam.test, answers, guesses, strict=True)
            ]
    if cache:
        cache.prune()
    return predictions


def _advance_from(advance: Advance, before: int, done: int) -> None:
    advance(before + done)


def record_answer(
    example: Example, answer: Answer, guessed: str, condition: str, size: str
) -> Prediction:
    """What was said to an example under a condition, beside the baseline's guess, "" for none."""
    return Prediction(
        id=example.id,
        dataset=example.dataset,
        size=size,
        condition=condition,
        prediction=answer.text,
        target=example.target.strip(),
        references=example.references,
        log_probability=answer.log_probability,
        baseline=guessed,
        category=example.category,
        group=example.group,
        image_id=example.image_id,
        source=example.source.strip(),
        modality=example.modality,
        options=answer.options,
        option_log_probabilities=answer.option_log_probabilities,
        attributes=example.attributes,
    )
