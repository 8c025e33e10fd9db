"""What an answer set was, and how much of a test it cannot answer."""

from __future__ import annotations

from collections.abc import Sequence

from components.cards import Card
from components.evaluation.metrics import normalise_answer
from components.records import Example


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
