"""Examples as token ids: what the encoder reads, what the decoder is given, what it must say."""

from __future__ import annotations

from dataclasses import dataclass

from components.errors import UserError
from components.model.specials import BOS, EOS, PAD
from components.records import Example
from components.tasks.base import TURN, Task
from components.tokenization.signal import quantize_signal
from components.tokenization.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """``source`` with bos and eos; ``prefix`` after the decoder's bos; ``target`` with its end.

    ``given``: positions of the target that the decoder reads and need not say (later requests).
    """

    source: list[int]
    prefix: list[int]
    target: list[int]
    num_cut: int
    given: frozenset[int] = frozenset()

    @property
    def prev(self) -> list[int]:
        """Decoder input: bos, prefix, and the target without its last token."""
        return [BOS, *self.prefix, *self.target[:-1]]

    @property
    def labels(self) -> list[int]:
        """What each decoder position must say; pad inside the prefix and what is given."""
        target = [PAD if i in self.given else token for i, token in enumerate(self.target)]
        return [PAD] * len(self.prefix) + target


def encode_example(
    example: Example,
    task: Task,
    vocabulary: Vocabulary,
    max_source_tokens: int,
    max_target_tokens: int,
    *,
    long_text: str = "cut",
) -> EncodedExample:
    """Ids of an example, cut to the limits (eos always stays); ``num_cut`` counts lost tokens.

    With ``long_text`` ``refuse``, UserError names an example that is over them. A question before
    the answer is cut as the source is: it is part of it.
    """
    text = encode_source(example, vocabulary)
    source = [BOS, *text[: max_source_tokens - 2], EOS]
    whole, given = encode_target(example.target, task, vocabulary)
    target = cut_target(whole, given, max_target_tokens)
    cut = len(text) + 2 - len(source) + len(whole) - len(target)
    if cut and long_text == "refuse":
        raise _refuse(example, len(text) + 2, max_source_tokens, cut)
    prefix = decoder_prefix(example.prefix, source, task, vocabulary)[:max_source_tokens]
    if not ends_with_eos(task):
        return EncodedExample(source, prefix, target, cut)
    return EncodedExample(source, prefix, [*target, EOS], cut, given)


@dataclass(frozen=True, slots=True)
class Measured:
    """Tokens of a source and a target with their ends, before any limit; how many limits cut."""

    source: int
    target: int
    source_lost: int
    target_lost: int


def measure_example(
    example: Example,
    task: Task,
    vocabulary: Vocabulary,
    max_source_tokens: int,
    max_target_tokens: int,
) -> Measured:
    """The lengths of an example, and what ``encode_example`` cuts at these limits."""
    source = len(encode_source(example, vocabulary)) + 2
    whole, given = encode_target(example.target, task, vocabulary)
    kept = cut_target(whole, given, max_target_tokens)
    return Measured(
        source=source,
        target=len(whole) + ends_with_eos(task),
        source_lost=max(source - max_source_tokens, 0),
        target_lost=len(whole) - len(kept),
    )


def encode_source(example: Example, vocabulary: Vocabulary) -> list[int]:
    """Ids of a source without its ends: its text, and then its signal, a token for each value."""
    bins = quantize_signal(example.signal, vocabulary.num_bins)
    return [*vocabulary.encode(example.source), *(vocabulary.bin_id(b) for b in bins)]


def encode_target(
    text: str, task: Task, vocabulary: Vocabulary
) -> tuple[list[int], frozenset[int]]:
    """Ids of a target without its end, and the positions that are given.

    Of several turns each reply ends with eos, which is learnt, and begins after bos, as the first
    one does; what is asked between them is given: ``r1 eos q2 bos r2``.
    """
    if task.decoder_prompt != "turns":
        return vocabulary.encode(text), frozenset()
    ids: list[int] = []
    given: list[int] = []
    for number, turn in enumerate(text.split(TURN)):
        tokens = vocabulary.encode(turn)
        if number % 2:
            given += range(len(ids) + 1, len(ids) + len(tokens) + 2)
            tokens = [EOS, *tokens, BOS]
        ids += tokens
    return ids, frozenset(given)


def cut_target(ids: list[int], given: frozenset[int], max_target_tokens: int) -> list[int]:
    """The ids that leave room for eos; nothing that is given stands at a cut end."""
    kept = len(ids) if len(ids) < max_target_tokens else max_target_tokens - 1
    while kept < len(ids) and kept and (kept - 1 in given or ids[kept - 1] == EOS):
        kept -= 1
    return ids[:kept]


def _refuse(example: Example, num_source: int, max_source: int, cut: int) -> UserError:
    return UserError(
        f"example {example.id} of {example.dataset} is {cut} tokens over the limits",
        why=f"its source has {num_source} tokens, max_source_tokens is {max_source}; "
        f"the rest is its target's. From {example.origin}",
        next_command="raise max_source_tokens or max_target_tokens in params.yaml, "
        "or set long_text to cut",
    )


def decoder_prefix(prefix: str, source: list[int], task: Task, vocabulary: Vocabulary) -> list[int]:
    """Tokens that the decoder is given after bos: nothing, the question, or the whole source."""
    if task.decoder_prompt == "source":
        return source[1:]
    return vocabulary.encode(prefix) if task.decoder_prompt == "question" else []


def ends_with_eos(task: Task) -> bool:
    """Whether an answer is closed by eos; after a whole source as prompt it is not."""
    return task.decoder_prompt != "source"
