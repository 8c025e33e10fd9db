"""Answer sets: what a model may answer with, where its answer is chosen and not written.

A set made of test answers gives away what will be asked for: ``train`` never holds one, and
``paper`` does so on purpose, as the reference's list for VQA-RAD does, to compare with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.cards import Card
from components.evaluation.metrics import normalise_answer
from components.records import Example

FROM_ANSWERS = ("train", "paper")  # made of a split's answers, not known beforehand


def candidate_sets(
    card: Card, known: Sequence[Example], asked: Sequence[Example]
) -> list[list[str]]:
    """The answers that each example may get, as the card says; empty where text is free.

    ``known`` are the examples of train and validation, ``asked`` those of the test split.
    ``fixed``: the card's own; ``train``: every distinct answer of ``known``; ``paper``: of both,
    which is no fair test; ``options``: the record's own.
    """
    shared: list[str] = []
    if card.candidates == "options":
        return [example.candidates for example in asked]
    if card.candidates == "fixed":
        shared = sorted({f" {answer.lower().strip()}" for answer in card.answers.values()})
    elif card.candidates in FROM_ANSWERS:
        seen = [*known, *asked] if card.candidates == "paper" else known
        shared = sorted({example.target for example in seen})
    return [shared] * len(asked)


def describe_answer_set(
    card: Card, asked: Sequence[Example], candidates: Sequence[Sequence[str]]
) -> dict[str, float | None]:
    """The size of the set that was used, and the percentage of test items whose answer it lacks.

    The size is null where each item has its own options, and both are where text is free. An item
    that is outside cannot be answered rightly: 100 less the share is the highest accuracy.
    """
    size, outside = None, None
    if card.candidates != "none":
        pairs = zip(asked, candidates, strict=True)
        lacking = sum(not _holds(options, example) for example, options in pairs)
        outside = round(100 * lacking / len(asked), 4)
    if card.candidates not in ("none", "options"):
        size = len(candidates[0])
    return {"num_candidates": size, "answers_outside": outside}


def _holds(options: Sequence[str], example: Example) -> bool:
    accepted = {normalise_answer(text) for text in example.references or [example.target]}
    return any(normalise_answer(option) in accepted for option in options)
