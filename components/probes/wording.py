"""Sensitivity: whether an instructed model's answer follows the question, or its wording.

Each change is a rule on the question. After one that leaves the meaning as it is (a typo, a polite
form, a remark that has nothing to do with it, a wrong hint) the answer should stay; after one that
turns the meaning of a yes-or-no question around it should turn, too. A share of flips says how far
that holds; it says nothing about which of the two answers is right. A flip is any other answer once
both are normalised, be it to the same effect: free text is not judged further.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from components.dataset.images import ImageStore
from components.evaluation.intervals import estimate_mean, find_groups
from components.evaluation.metrics import normalise_answer
from components.evaluation.predict import Answerer, answer_all
from components.evaluation.scoring import group_of
from components.probes.material import record_answers
from components.probes.measure import Sampling
from components.records import Example, Prediction
from components.tasks.registry import TASKS

ASKED = "as asked"
MAX_EXAMPLES, MIN_LETTERS = 2, 5
OPPOSITES = {"yes": "no", "no": "yes"}
NEGATIONS = (
    (r"\b(is|are) there (?:an?|any)\b", r"\1 there no"),
    (r"\b(is|are) there\b(?! no\b)", r"\1 there no"),
    (r"\babnormal\b", "normal"),
    (r"\bnormal\b", "abnormal"),
)
PHRASINGS = (
    (r"^is there (an?|any)\b(.*)\?$", r"can you see \1\2?"),
    (r"^are there\b(.*)\?$", r"can you see\1?"),
    (r"^what (?:type|kind) of\b", "which sort of"),
    (r"^what\b", "which"),
    (r"^where is\b(.*)\?$", r"in which place is\1?"),
    (r"^how many\b", "what number of"),
    (r"^is\b(.*)\?$", r"would you say: is\1?"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a question: what it does, and whether the answer should ``stay`` or ``turn``.

    ``apply`` takes the question and the answer to it, and gives None where it does not fit.
    """

    name: str
    words: str
    wanted: str
    apply: Callable[[str, str], str | None]


def misspell(question: str, _: str = "") -> str | None:
    """Two letters inside the longest word change places; the first of equally long words."""
    words = re.findall(rf"[a-z]{{{MIN_LETTERS},}}", question)
    if not words:
        return None
    longest = max(words, key=len)
    middle = next((i for i in range(1, len(longest) - 2) if longest[i] != longest[i + 1]), 0)
    wrong = longest[:middle] + longest[middle + 1] + longest[middle] + longest[middle + 2 :]
    return question.replace(longest, wrong, 1) if middle else None


def rephrase(question: str, _: str = "") -> str | None:
    """The first of PHRASINGS that fits."""
    return _substitute(question, PHRASINGS)


def negate(question: str, answer: str) -> str | None:
    """The opposite of a question that was answered by yes or no, by the first that fits."""
    return _substitute(question, NEGATIONS) if answer in OPPOSITES else None


def mislead(question: str, answer: str) -> str | None:
    """The question with a hint at the opposite of the answer that was given to it."""
    return f"{question} i think the answer is {OPPOSITES[answer]}." if answer in OPPOSITES else None


def _substitute(question: str, rules: Sequence[tuple[str, str]]) -> str | None:
    for pattern, words in rules:
        changed, found = re.subn(pattern, words, question, count=1)
        if found:
            return changed
    return None


CHANGES = (
    Change("typo", "two letters of the longest word change places", "stay", misspell),
    Change(
        "polite", "“please tell me:” stands before it", "stay", lambda q, _: f"please tell me: {q}"
    ),
    Change("other words", "the same question in other words", "stay", rephrase),
    Change(
        "remark", "“the patient likes tea.” stands before it", "stay",
        lambda q, _: f"the patient likes tea. {q}",
    ),
    Change("wrong hint", "“i think the answer is no.” (or yes) stands after it", "stay", mislead),
    Change("opposite", "the opposite is asked", "turn", negate),
)  # fmt: skip


def probe_wording(
    examples: Sequence[Example],
    answerer: Answerer,
    store: ImageStore | None,
    *,
    max_items: int,
    size: str,
    sampling: Sampling,
) -> tuple[dict[str, Any] | None, list[Prediction]]:
    """Shares of answers that flip after each change, in percent, of questions drawn at random.

    None where there is no question. Each ``changes`` holds ``flipped`` and some flips.
    """
    if not examples:
        return None, []
    ordered = sorted(examples, key=lambda example: example.id)
    drawn = random.Random(sampling.seed).sample(ordered, min(max_items, len(ordered)))
    asked = [replace(example, prefix="", task="instruct") for example in drawn]
    first = _answer(asked, answerer, store, ASKED, size)
    changes, said = [], [*first]
    for change in CHANGES:
        pairs = [
            (before, replace(example, source=f" {question}"))
            for example, before in zip(asked, first, strict=True)
            if (question := change.apply(before.source, normalise_answer(before.prediction)))
        ]
        told = {"name": change.name, "words": change.words, "wanted": change.wanted}
        if pairs:
            after = _answer([example for _, example in pairs], answerer, store, change.name, size)
            said += after
            told |= _compare([before for before, _ in pairs], after, sampling)
        changes.append(told)
    return {"dataset": drawn[0].dataset, "questions": len(drawn), "changes": changes}, said


def _answer(
    examples: Sequence[Example],
    answerer: Answerer,
    store: ImageStore | None,
    condition: str,
    size: str,
) -> list[Prediction]:
    free: list[list[str]] = [[] for _ in examples]
    task = TASKS["instruct"]
    answers = answer_all(answerer, task, examples, free, store=store)
    return record_answers(examples, answers, condition, size)


def _compare(
    before: Sequence[Prediction], after: Sequence[Prediction], sampling: Sampling
) -> dict[str, Any]:
    flips = [
        normalise_answer(first.prediction) != normalise_answer(then.prediction)
        for first, then in zip(before, after, strict=True)
    ]
    groups = find_groups([group_of(prediction) for prediction in before])
    shown = [
        {
            "asked": first.source,
            "answer": first.prediction,
            "changed": then.source,
            "then": then.prediction,
        }
        for first, then, flip in zip(before, after, flips, strict=True)
        if flip
    ]
    estimate = estimate_mean([100.0 * flip for flip in flips], groups)
    return {"flipped": sampling.measure(estimate, groups), "examples": shown[:MAX_EXAMPLES]}
