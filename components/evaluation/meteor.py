"""METEOR (Banerjee and Lavie 2005; Lavie and Agarwal 2007) of exact words and stems."""

from __future__ import annotations

from collections.abc import Sequence

from components.evaluation.cider import split_words
from components.evaluation.samples import References, Values, score_each


class NoSynonyms:
    """In place of WordNet, which would have to be downloaded and would differ by its release."""

    def synsets(self, _: str) -> list[str]:
        """None of any word."""
        return []


def score_meteor(predictions: Sequence[str], references: References) -> Values:
    """100 x METEOR of each prediction, the best of its references; 0 where no word is shared.

    By NLTK, alpha 0.9, beta 3, gamma 0.5, without its module of synonyms.
    """
    from nltk.translate.meteor_score import meteor_score  # 1 s to import

    def value(prediction: str, accepted: Sequence[str]) -> float:
        words = [split_words(text) for text in accepted]
        return 100.0 * float(meteor_score(words, split_words(prediction), wordnet=NoSynonyms()))

    return score_each(predictions, references, value)
