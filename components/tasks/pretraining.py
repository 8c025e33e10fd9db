"""The pretraining tasks: matching, text infilling, image infilling, detection.

Prompts as the public pretraining code has them. Negatives are captions of other pretraining
images, and other answers to the same question; not a general word list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.model.specials import BOS, EOS
from components.records import Example
from components.tasks.encoding import EncodedExample
from components.tasks.masking import mask_words
from components.tasks.phrasing import clean_caption
from components.tokenization.boxes import box_bins
from components.tokenization.vocabulary import Vocabulary

TEXT_PROMPT = ' what is the complete text of " "?'
IMAGE_PROMPT = " what is the image in the middle part?"
DETECTION_PROMPT = " what are the objects in the image?"


@dataclass(frozen=True)
class NegativePool:
    """What to draw wrong captions and answers from, by (task, decoder prompt)."""

    texts: dict[tuple[str, str], list[str]]

    @classmethod
    def of(cls, examples: Sequence[Example]) -> NegativePool:
        """Distinct texts, as a matching prompt shows them, in a fixed order."""
        found: dict[tuple[str, str], set[str]] = {}
        for example in examples:
            found.setdefault(_kind(example), set()).add(_shown(example))
        return cls({kind: sorted(texts) for kind, texts in found.items()})

    def draw(self, example: Example, rng: np.random.Generator) -> str:
        """Another text for the same kind of example; "" when there is none."""
        truth = _shown(example)
        others = [text for text in self.texts.get(_kind(example), []) if text != truth]
        return others[int(rng.integers(len(others)))] if others else ""


def _shown(example: Example) -> str:
    """The target as the matching prompt shows it: two that read alike there are the same."""
    text = example.target.strip()
    return clean_caption(text) if example.task == "caption" else text


def _kind(example: Example) -> tuple[str, str]:
    return example.task, example.prefix


def match_example(example: Example, pool: NegativePool, rng: np.random.Generator) -> Example:
    """Does the text belong to the image? Half of the time it does."""
    wrong = pool.draw(example, rng) if rng.random() < 0.5 else ""
    text = wrong or _shown(example)
    if example.task == "caption":
        source = f' does the image describe " {text} "?'
    else:
        question = example.source.strip()
        source = f' what is the answer to question " {question} ". is " {text} "?'
    target = " no" if wrong else " yes"
    return replace(example, source=source, prefix="", target=target, references=[target.strip()])


def text_room(vocabulary: Vocabulary, max_tokens: int) -> int:
    """How many tokens of a text fit into a source of ``max_tokens`` around its prompt."""
    return max_tokens - len(vocabulary.encode(TEXT_PROMPT)) - 2


def infill_text(
    ids: Sequence[int],
    vocabulary: Vocabulary,
    ratio: float,
    max_tokens: int,
    rng: np.random.Generator,
) -> EncodedExample:
    """Restore a window of text whose words were masked.

    The window is whole words, at most ``text_room`` of tokens: documents are cut by
    components/dataset/windows.py. ValueError for a longer one.
    """
    prompt = vocabulary.encode(TEXT_PROMPT)
    cut = len(vocabulary.encode(' "?'))
    room = text_room(vocabulary, max_tokens)
    if len(ids) > room:
        raise ValueError(f"a window of {len(ids)} tokens, where {room} fit")
    masked = mask_words(ids, vocabulary.starts_word, vocabulary.mask_id, ratio, rng)[:room]
    source = [BOS, *prompt[:-cut], *masked, *prompt[-cut:], EOS]
    return EncodedExample(source, [], [*ids, EOS], 0)


def infill_image(codes: Sequence[int], vocabulary: Vocabulary) -> EncodedExample:
    """Name the codes of the middle of an image, which the encoder does not see."""
    source = [BOS, *vocabulary.encode(IMAGE_PROMPT), EOS]
    return EncodedExample(source, [], [*(vocabulary.code_id(c) for c in codes), EOS], 0)


def detect_objects(
    boxes: Sequence[tuple[Sequence[float], str]], vocabulary: Vocabulary
) -> EncodedExample:
    """Name every object with its box: four location bins, then the label."""
    source = [BOS, *vocabulary.encode(DETECTION_PROMPT), EOS]
    target: list[int] = []
    for box, label in boxes:
        target += [vocabulary.bin_id(i) for i in box_bins(box, vocabulary.num_bins)]
        target += vocabulary.encode(f" {label}")
    return EncodedExample(source, [], [*target, EOS], 0)
