"""CIDEr-D, consensus of n-grams weighted by how rare they are (Vedantam et al., arXiv 1411.5726).

Written from section 3 and 5.1 of the paper; the values agree with the scorer that captioning
papers use (tests/components/evaluation/test_cider.py), whose package weighs 100 MB and starts Java.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

NUM_ORDERS = 4
SIGMA = 6.0
# A score of 10 is the paper's scale for CIDEr-D; captioning tables print it times 100.
SCALE = 10.0 * 100.0

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
Ngrams = list[Counter[tuple[str, ...]]]


def split_words(text: str) -> list[str]:
    """Lower-cased words, without punctuation."""
    return _WORD.findall(text.lower())


def cider_scores(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    split: Callable[[str], list[str]] = split_words,
) -> NDArray[np.float64]:
    """CIDEr-D x 100 (0..1000) of each prediction against its references, of the words of ``split``.

    Document frequencies count in how many items' references an n-gram occurs. With one item alone
    every n-gram occurs everywhere, and the score is 0 by definition.
    """
    expected = [[_count_ngrams(split(text)) for text in texts] for texts in references]
    inverse = _inverse_frequencies(expected)
    unseen = math.log(max(len(expected), 1))
    scores = [
        _score(_count_ngrams(split(prediction)), texts, inverse, unseen)
        for prediction, texts in zip(predictions, expected, strict=True)
    ]
    return np.array(scores, np.float64)


def _count_ngrams(words: list[str]) -> Ngrams:
    return [
        Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
        for n in range(1, NUM_ORDERS + 1)
    ]


def _inverse_frequencies(expected: list[list[Ngrams]]) -> dict[tuple[str, ...], float]:
    occurs: Counter[tuple[str, ...]] = Counter()
    for texts in expected:
        occurs.update({gram for ngrams in texts for order in ngrams for gram in order})
    log_items = math.log(max(len(expected), 1))
    return {gram: log_items - math.log(num) for gram, num in occurs.items()}


def _score(
    predicted: Ngrams,
    texts: list[Ngrams],
    inverse: dict[tuple[str, ...], float],
    unseen: float,
) -> float:
    total = 0.0
    for expected in texts:
        # The public scorer takes the number of word pairs for a text's length; so do we.
        gap = predicted[1].total() - expected[1].total()
        penalty = math.exp(-(gap**2) / (2 * SIGMA**2))
        similarities = [
            _clipped_cosine(ours, theirs, inverse, unseen)
            for ours, theirs in zip(predicted, expected, strict=True)
        ]
        total += penalty * sum(similarities) / NUM_ORDERS
    return SCALE * total / len(texts)


def _clipped_cosine(
    ours: Counter[tuple[str, ...]],
    theirs: Counter[tuple[str, ...]],
    inverse: dict[tuple[str, ...], float],
    unseen: float,
) -> float:
    def weigh(counts: Counter[tuple[str, ...]]) -> dict[tuple[str, ...], float]:
        return {gram: num * inverse.get(gram, unseen) for gram, num in counts.items()}

    left, right = weigh(ours), weigh(theirs)
    shared = sum(min(weight, right[gram]) * right[gram] for gram, weight in left.items()
                 if gram in right)  # fmt: skip
    norms = math.hypot(*left.values()) * math.hypot(*right.values())
    return shared / norms if norms else 0.0
