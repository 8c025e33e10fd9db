"""What a model's token limits leave of instructions, counted with the run's own vocabulary.

``prepare_biomed_vital`` cannot tell: the vocabulary is learnt from what it writes, and the limits
are the training stage's, by size. So this is measured before a run is launched, and a run whose
labels would be lost is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median_low
from typing import Any

from components.errors import UserError
from components.records import Example
from components.tasks.base import TURN
from components.tasks.encoding import Measured, measure_example
from components.tasks.instruct import EARLIER, TASK
from components.tokenization.vocabulary import Vocabulary

START_OF_HISTORY = f"{EARLIER}question: "  # the mark alone might stand in a request


@dataclass
class _Texts:
    """Lengths of texts of a kind in tokens, and how many tokens of each are lost."""

    lengths: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)

    def add(self, length: int, lost: int) -> None:
        self.lengths.append(length)
        self.lost.append(lost)

    def summarize(self) -> dict[str, int]:
        return {
            "texts": len(self.lengths),
            "tokens": sum(self.lengths),
            "median": median_low(self.lengths or [0]),
            "longest": max(self.lengths, default=0),
            "texts_cut": sum(lost > 0 for lost in self.lost),
            "tokens_lost": sum(self.lost),
        }


def measure_turns(
    examples: Iterable[Example],
    vocabulary: Vocabulary,
    max_source_tokens: int,
    max_target_tokens: int,
) -> dict[str, Any]:
    """Counts of requests, histories, later requests and replies, in tokens; what is cut of each.

    ``measure_example`` says what is cut of a source and a target, this of which turns it is.
    ``longest_target`` and ``first_cut`` tell what limit would hold all, and where to look.
    """
    kinds = {name: _Texts() for name in ("request", "history", "later request", "reply")}
    longest, first_cut = 0, ""
    for example in examples:
        found = measure_example(example, TASK, vocabulary, max_source_tokens, max_target_tokens)
        _divide_source(example.source, vocabulary, found, kinds)
        _divide_target(example.target, vocabulary, found, kinds)
        longest = max(longest, found.target)
        if found.target_lost:
            first_cut = first_cut or f"{example.id} ({example.origin})"
    return {
        "limits": {"source": max_source_tokens, "target": max_target_tokens},
        "kinds": {name: texts.summarize() for name, texts in kinds.items() if texts.lengths},
        "longest_target": longest,
        "first_cut": first_cut,
    }


def _divide_source(
    source: str, vocabulary: Vocabulary, found: Measured, kinds: dict[str, _Texts]
) -> None:
    """The request stands first, so that the history is cut before it."""
    request, mark, _ = source.partition(START_OF_HISTORY)
    whole = found.source - 2
    own = len(vocabulary.encode(request)) if mark else whole
    lost_history = min(found.source_lost, whole - own)
    kinds["request"].add(own, found.source_lost - lost_history)
    if mark:
        kinds["history"].add(whole - own, lost_history)


def _divide_target(
    target: str, vocabulary: Vocabulary, found: Measured, kinds: dict[str, _Texts]
) -> None:
    """Replies and the requests between them, each with what lies beyond the kept tokens."""
    kept = found.target - 1 - found.target_lost
    start = 0
    for number, turn in enumerate(target.split(TURN)):
        length = len(vocabulary.encode(turn))
        start += number > 0  # the eos before a request, the bos before a reply
        lost = length - min(max(kept - start, 0), length)
        kinds["later request" if number % 2 else "reply"].add(length, lost)
        start += length


def check_labels(lengths: dict[str, Any], limit: float, what: str) -> None:
    """UserError where a larger share of the replies' tokens than ``limit`` would be lost."""
    replies = lengths["kinds"]["reply"]
    if replies["tokens_lost"] <= limit * replies["tokens"]:
        return
    target = lengths["limits"]["target"]
    raise UserError(
        f"{what}: {replies['tokens_lost'] / replies['tokens']:.1%} of the reply tokens would be "
        f"cut off (limit {limit:.1%})",
        why=f"{replies['texts_cut']} of {replies['texts']} replies end beyond max_target_tokens, "
        f"which is {target}; the first is {lengths['first_cut']}. What is cut is never learnt, and "
        "the model learns to stop there",
        next_command=f"raise instruct.max_target_tokens in params.yaml ({lengths['longest_target']}"
        " cuts nothing), or instruct.max_lost_labels",
    )
