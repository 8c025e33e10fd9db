"""Examples as the model meets them: their tokens, what is learnt, and what a limit cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.checking.examples import Finding
from components.model.specials import BOS, EOS, PAD
from components.records import Example
from components.tasks.encoding import EncodedExample, encode_example, measure_example
from components.tasks.registry import TASKS
from components.tokenization.vocabulary import Vocabulary

MAX_SHOWN = 48  # positions of a sample that are shown
NOT_LEARNT = "_"
SPECIALS = {BOS: "<s>", EOS: "</s>", PAD: "<pad>"}


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of examples before any limit, and what the limits would cut.

    ``lost_labels`` of ``num_labels`` target tokens would not be learnt.
    """

    sources: list[int]
    targets: list[int]
    num_cut: int
    lost_labels: int

    @property
    def num_labels(self) -> int:
        """All target tokens."""
        return sum(self.targets)

    def describe(self) -> dict[str, int]:
        """For a manifest."""
        return {
            "examples": len(self.targets),
            "longest_source": max(self.sources, default=0),
            "longest_target": max(self.targets, default=0),
            "examples_cut": self.num_cut,
            "labels": self.num_labels,
            "labels_lost": self.lost_labels,
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """The longest source and target that a run takes, in tokens."""

    max_source: int
    max_target: int


def encode(example: Example, vocabulary: Vocabulary, limits: Limits) -> EncodedExample:
    """The example's ids within the limits."""
    task = TASKS[example.task]
    return encode_example(example, task, vocabulary, limits.max_source, limits.max_target)


def measure_lengths(examples: Sequence[Example], vocabulary: Vocabulary, limits: Limits) -> Lengths:
    """Lengths of every example, in their order, and what is cut."""
    measured = [
        measure_example(e, TASKS[e.task], vocabulary, limits.max_source, limits.max_target)
        for e in examples
    ]
    return Lengths(
        sources=[found.source for found in measured],
        targets=[found.target for found in measured],
        num_cut=sum(found.source_lost + found.target_lost > 0 for found in measured),
        lost_labels=sum(found.target_lost for found in measured),
    )


def examine_lengths(lengths: Lengths, max_lost: float) -> list[Finding]:
    """An error where a larger share of the labels than ``max_lost`` is cut; a warning for any cut.

    A model that learns from targets without their end learns to stop too early.
    """
    share = lengths.lost_labels / max(lengths.num_labels, 1)
    if share > max_lost:
        words = (
            f"{share:.1%} of the target tokens are beyond max_target_tokens and would not be "
            f"learnt (max_lost_labels is {max_lost:.1%}; {max(lengths.targets)} would hold all)"
        )
        return [Finding("error", words)]
    if lengths.num_cut:
        return [Finding("warning", f"{lengths.num_cut} examples are cut to the limits on tokens")]
    return []


def show_tokens(example: Example, vocabulary: Vocabulary, limits: Limits) -> dict[str, list[str]]:
    """Rows of cells, position by position: what each side reads and what it must say.

    ``encoder`` has a cell per token; of the ``decoder``'s pair of rows, ``reads`` and ``says``, a
    position that is not learnt says NOT_LEARNT. At most MAX_SHOWN positions.
    """
    encoded = encode(example, vocabulary, limits)
    ids = {"encoder": encoded.source, "reads": encoded.prev, "says": encoded.labels}
    shown = {name: [_show(token, vocabulary) for token in row] for name, row in ids.items()}
    shown["says"] = [
        NOT_LEARNT if token == PAD else text
        for token, text in zip(encoded.labels, shown["says"], strict=True)
    ]
    return {name: _shorten(row) for name, row in shown.items()}


def _show(token: int, vocabulary: Vocabulary) -> str:
    text = SPECIALS.get(token) or vocabulary.decode([token])
    visible = text.replace(" ", "\u00b7").replace("\n", "\u21b5")
    return f"{visible}={token}"


def _shorten(row: list[str]) -> list[str]:
    if len(row) <= MAX_SHOWN:
        return row
    return [*row[:MAX_SHOWN], f"... {len(row) - MAX_SHOWN} more"]
