"""Answer sets: what a model may answer with, where its answer is chosen and not written.

A set made of test answers gives away what will be asked for: ``train`` never holds one, and
``paper`` does so on purpose, as the reference's list for VQA-RAD does, to compare with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.cards import Card
from components.records import Example

FROM_ANSWERS = ("train", "paper")  # made of a split's answers, not known beforehand
OTHERS = {"train": "paper", "paper": "train"}  # the list beside which each is told


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
