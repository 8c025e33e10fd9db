"""What can be wrong with a data set's examples that no single record shows.

An ``error`` makes training useless and stops ``prepare``; a ``warning`` is for a person to judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from components.cards import PRETRAINING_TASKS, Card
from components.errors import UserError
from components.records import Example

PLACEHOLDER = "replace this row"  # in every row of a template
FREE_TEXT = frozenset({"caption", "summarize", "instruct", *PRETRAINING_TASKS})
MAX_MAJORITY = 0.9


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or may be."""

    level: Literal["error", "warning"]
    words: str


def examine_examples(card: Card, examples: Sequence[Example]) -> list[Finding]:
    """Everything found, errors first; nothing for a sound data set."""
    train = [example for example in examples if example.split == "train"]
    test = [example for example in examples if example.split == "test"]
    found = [
        *_find_placeholders(examples),
        *_find_imbalance(card, train),
        *_find_repeats(train),
        *_find_leaks(train, test),
        *_find_untold(card, examples),
    ]
    return sorted(found, key=lambda finding: finding.level)


def _find_untold(card: Card, examples: Sequence[Example]) -> list[Finding]:
    """Attributes that the card names and no record tells: a copy without them, or a slip."""
    told = {name for example in examples for name in example.attributes}
    return [
        Finding("warning", f"no record tells {name}, which the card takes from {column!r}")
        for name, column in card.attribute_columns.items()
        if examples and name not in told
    ]


def refuse_errors(findings: Iterable[Finding], name: str) -> None:
    """UserError where one of the findings is an error."""
    errors = [finding.words for finding in findings if finding.level == "error"]
    if errors:
        raise UserError(
            f"{name}: the data cannot be trained on",
            why="\n        ".join(errors),
            next_command=f"mend it, then biomedgpt check {name}",
        )


def count_answers(examples: Iterable[Example]) -> Counter[str]:
    """How often each answer is learnt."""
    return Counter(example.target.strip() for example in examples)


def _find_placeholders(examples: Sequence[Example]) -> list[Finding]:
    left = [e for e in examples if PLACEHOLDER in f"{e.source} {e.target}".lower()]
    if not left:
        return []
    words = f"{len(left)} rows of the template are still there, the first is {left[0].origin}"
    return [Finding("error", words)]


def _find_imbalance(card: Card, train: Sequence[Example]) -> list[Finding]:
    if card.task in FREE_TEXT or card.candidates == "options" or not train:
        return []
    counts = count_answers(train)
    (most, num), *others = counts.most_common()
    if not others:
        return [Finding("error", f"every training example has the answer {most!r}")]
    known = {answer.lower().strip() for answer in card.answers.values()}
    found = [
        Finding("warning", f"no training example has the answer {answer!r}")
        for answer in sorted(known - {text.lower() for text in counts})
    ]
    if num / len(train) > MAX_MAJORITY:
        words = f"{num / len(train):.0%} of the training examples have the answer {most!r}"
        found.append(Finding("warning", words))
    return found


def _asked(example: Example) -> Hashable:
    return example.image_id, example.source.lower(), tuple(example.signal)


def _find_repeats(train: Sequence[Example]) -> list[Finding]:
    first: dict[Hashable, Example] = {}
    said: dict[Hashable, Example] = {}
    repeats: list[tuple[Example, Example]] = []
    differing: list[tuple[Example, Example]] = []
    for example in train:
        known = said.setdefault((_asked(example), example.target), example)
        asked_before = first.setdefault(_asked(example), example)
        if known is not example:
            repeats.append((known, example))
        elif asked_before is not example and example.task not in FREE_TEXT:
            differing.append((asked_before, example))
    return [
        *_tell_pairs(repeats, "repeat another one"),
        *_tell_pairs(differing, "answer a question otherwise than another one does"),
    ]


def _tell_pairs(pairs: Sequence[tuple[Example, Example]], what: str) -> list[Finding]:
    if not pairs:
        return []
    before, after = pairs[0]
    words = f"{len(pairs)} training examples {what}, the first: {after.origin} and {before.origin}"
    return [Finding("warning", words)]


def _find_leaks(train: Sequence[Example], test: Sequence[Example]) -> list[Finding]:
    found = []
    for what, key in (
        ("stand in train with the same answer", lambda e: (_asked(e), e.target)),
        ("show an image of train", lambda e: e.image_id),
        ("share their group (a patient, a document) with train", lambda e: e.group),
    ):
        seen = {key(example) for example in train} - {""}
        shared = [example for example in test if key(example) in seen]
        if shared:
            words = f"{len(shared)} of {len(test)} test examples {what}, the first is "
            found.append(Finding("warning", words + shared[0].origin))
    return found
