"""Long text: what scores are worth by the length of what was asked, and how much was cut off."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from components.probes.material import Answered
from components.probes.measure import Sampling
from components.tokenization.vocabulary import Vocabulary

SHORTEST = 16  # tokens; each bin reaches twice as far as the one before


def count_tokens(source: str, vocabulary: Vocabulary) -> int:
    """Tokens of a source before any limit, with its ends; prompts begin with a space."""
    return len(vocabulary.encode(f" {source.strip()}")) + 2


def probe_lengths(
    answered: Answered, vocabulary: Vocabulary, limit: int, sampling: Sampling
) -> dict[str, Any] | None:
    """Scores by length, and the percentage of items over the model's limit; None for one length.

    Lengths are those of the text that ``prepare`` wrote, which a task's own limit of words may
    have shortened before. ``bins``: ``up_to`` tokens, and the score of these items.
    """
    tokens = [count_tokens(p.source, vocabulary) for p in answered.full]
    members: defaultdict[int, list[int]] = defaultdict(list)
    for place, number in enumerate(tokens):
        members[max(SHORTEST, 1 << (number - 1).bit_length())].append(place)
    if len(members) < 2:
        return None
    bins = []
    for up_to, places in sorted(members.items()):
        chosen = np.zeros(len(tokens), np.bool_)
        chosen[places] = True
        part = answered.scored.only(chosen)
        bins.append({"up_to": up_to, **sampling.measure_scored(part)})
    num_over = sum(number > limit for number in tokens)
    return {
        **answered.head(),
        "limit": limit,
        "longest": max(tokens),
        "over": round(100 * num_over / len(tokens), 4),
        "bins": bins,
    }
