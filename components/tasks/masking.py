"""Text infilling: whole words, spans with Poisson lengths, one mask token a span.

Method: BART (arXiv 1910.13461) with whole-word mask, as fairseq's denoising data set does it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

MEAN_SPAN = 3.0


def mask_words(
    ids: Sequence[int],
    starts_word: Callable[[int], bool],
    mask_id: int,
    ratio: float,
    rng: np.random.Generator,
) -> list[int]:
    """Replace about ``ratio`` of the words by masks; zero-length spans insert masks.

    A span covers whole words. With no word to mask the ids come back unchanged.
    """
    starts = [i for i, token in enumerate(ids) if starts_word(token) or i == 0]
    num_words = math.ceil(len(starts) * ratio)
    if num_words == 0:
        return list(ids)
    lengths = span_lengths(num_words, rng)
    num_inserts = sum(length == 0 for length in lengths)
    spans = [length for length in lengths if length > 0]
    chosen = rng.choice(len(starts), size=min(len(spans), len(starts)), replace=False)
    masked: list[int] = []
    word = 0
    for which, span in sorted(zip(chosen, spans, strict=False)):
        if which >= word:  # else it begins under the mask of the span before it, and lengthens that
            masked += ids[_begin(starts, word, ids) : starts[which]]
            masked.append(mask_id)
        word = max(word, which + span)
    masked += ids[_begin(starts, word, ids) :]
    for _ in range(num_inserts):
        masked.insert(int(rng.integers(len(masked) + 1)), mask_id)
    return masked


def span_lengths(num_words: int, rng: np.random.Generator) -> list[int]:
    """Poisson lengths that add up to exactly ``num_words``; zeros among them are kept."""
    lengths: list[int] = []
    while sum(lengths) < num_words:
        lengths.append(int(rng.poisson(MEAN_SPAN)))
    lengths[-1] -= sum(lengths) - num_words
    return lengths


def _begin(starts: list[int], word: int, ids: Sequence[int]) -> int:
    return starts[word] if word < len(starts) else len(ids)
