"""Examples as token ids: what the encoder reads, what the decoder is given, what it must say."""

from __future__ import annotations

from dataclasses import dataclass

from components.records import Example
from components.tasks.base import Task
from components.tokenization.vocabulary import BOS, EOS, PAD, Vocabulary


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """``source`` with bos and eos; ``prefix`` after the decoder's bos; ``target`` with its end."""

    source: list[int]
    prefix: list[int]
    target: list[int]
    num_cut: int

    @property
    def prev(self) -> list[int]:
        """Decoder input: bos, prefix, and the target without its last token."""
        return [BOS, *self.prefix, *self.target[:-1]]

    @property
    def labels(self) -> list[int]:
        """What each decoder position must say; pad inside the prefix."""
        return [PAD] * len(self.prefix) + self.target


def encode_example(
    example: Example,
    task: Task,
    vocabulary: Vocabulary,
    max_source_tokens: int,
    max_target_tokens: int,
) -> EncodedExample:
    """Ids of an example, cut to the limits (eos always stays); ``num_cut`` counts lost tokens."""
    text, target = vocabulary.encode(example.source), vocabulary.encode(example.target)
    source = [BOS, *text[: max_source_tokens - 2], EOS]
    cut = len(text) + 2 - len(source) + max(len(target) - max_target_tokens + 1, 0)
    target = target[: max_target_tokens - 1]
    prefix = decoder_prefix(example.prefix, source, task, vocabulary)
    if not ends_with_eos(task):
        return EncodedExample(source, prefix, target, cut)
    return EncodedExample(source, prefix, [*target, EOS], cut)


def decoder_prefix(prefix: str, source: list[int], task: Task, vocabulary: Vocabulary) -> list[int]:
    """Tokens that the decoder is given after bos: nothing, the question, or the whole source."""
    if task.decoder_prompt == "source":
        return source[1:]
    return vocabulary.encode(prefix) if task.decoder_prompt == "question" else []


def ends_with_eos(task: Task) -> bool:
    """Whether an answer is closed by eos; after a whole source as prompt it is not."""
    return task.decoder_prompt != "source"
