"""ROUGE, shared words, word pairs and subsequences of words (Lin 2004)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal

from components.evaluation.samples import References, Values, score_each

Kind = Literal["rouge1", "rouge2", "rougeL"]


def score_rouge(
    kind: Kind, rewrite: Callable[[str], str] = str
) -> Callable[[Sequence[str], References], Values]:
    """A scorer: 100 x F-measure by the library rouge-score, Porter stemmer, the best reference.

    ``rewrite`` is applied to what is scored, and not to the references.
    """

    def score(predictions: Sequence[str], references: References) -> Values:
        from rouge_score.rouge_scorer import RougeScorer  # 1 s to import

        scorer = RougeScorer([kind], use_stemmer=True)

        def best(prediction: str, accepted: Sequence[str]) -> float:
            said = rewrite(prediction)
            return max(100.0 * float(scorer.score(text, said)[kind].fmeasure) for text in accepted)

        return score_each(predictions, references, best)

    return score


def rouge_l_f(first: Sequence[str], second: Sequence[str]) -> float:
    """ROUGE-L F-measure (0..1) of two word lists: 2 x LCS / (both lengths)."""
    num_common = longest_common_subsequence(first, second)
    return 2 * num_common / (len(first) + len(second)) if num_common else 0.0


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, bit-parallel (Hyyro 2004): a word per step."""
    positions: defaultdict[str, int] = defaultdict(int)
    for index, word in enumerate(first):
        positions[word] |= 1 << index
    everything = (1 << len(first)) - 1
    row = everything
    for word in second:
        matched = row & positions.get(word, 0)
        row = ((row + matched) | (row - matched)) & everything
    return len(first) - row.bit_count()
