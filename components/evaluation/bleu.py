"""BLEU (Papineni et al. 2002) of a whole test set, with an interval as any other score.

BLEU is no mean over items: what is counted of each item is summed over the set, and then compared.
The counts are sacrebleu's. Shape letters: B resamples, G groups, S samples, N orders of n-grams.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from components.evaluation.intervals import Estimate, Floats, Groups
from components.evaluation.pooling import Answers, Pool
from components.evaluation.samples import References, Values, score_each


def score_bleu(order: int) -> Callable[[Sequence[str], References], Values]:
    """A scorer: sentence BLEU of n-grams up to that order, smoothed; to look at, not to average."""

    def score(predictions: Sequence[str], references: References) -> Values:
        from sacrebleu.metrics.bleu import BLEU

        bleu = BLEU(lowercase=True, max_ngram_order=order, effective_order=True)
        return score_each(
            predictions, references, lambda said, texts: bleu.sentence_score(said, texts).score
        )

    return score


def pool_bleu(order: int) -> Pool:
    """100 x corpus BLEU of n-grams up to that order; 0 where the set shares none of an order."""

    def pool(answers: Answers, _: Floats, groups: Groups) -> Estimate:
        counts_SK = count_ngrams(answers.texts, answers.references, order)
        counts_GK = np.zeros((groups.num, counts_SK.shape[1]))
        np.add.at(counts_GK, groups.index_S, counts_SK)
        return lambda w_BG: _compare(w_BG @ counts_GK, order)

    return pool


def count_ngrams(predictions: Sequence[str], references: References, order: int) -> Floats:
    """Of each item (S, 2N + 2): n-grams that are shared, n-grams said, words said, words wanted."""
    from sacrebleu.metrics.bleu import BLEU

    bleu = BLEU(lowercase=True, max_ngram_order=order, effective_order=True)
    pairs = zip(predictions, references, strict=True)
    found = [bleu.sentence_score(said, texts) for said, texts in pairs]
    rows = [[*one.counts, *one.totals, one.sys_len, one.ref_len] for one in found]
    return np.array(rows, np.float64)


def _compare(counts_BK: Floats, order: int) -> Floats:
    shared_BN, said_BN = counts_BK[:, :order], counts_BK[:, order : 2 * order]
    length_B, wanted_B = counts_BK[:, -2], counts_BK[:, -1]
    precision_BN = np.divide(shared_BN, said_BN, out=np.zeros_like(said_BN), where=said_BN > 0)
    with np.errstate(divide="ignore"):  # a text without a shared n-gram: log 0, and BLEU 0
        logs_B = np.log(precision_BN).mean(1)
        brevity_B = np.minimum(0, 1 - wanted_B / np.maximum(length_B, 1e-9))
    bleu_B: Floats = 100 * np.exp(logs_B + brevity_B)
    return bleu_B
