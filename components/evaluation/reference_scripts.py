"""How the reference's scripts read answers before they compare them, faults included.

Read from its evaluation of VQA, of summaries and of captions, and written anew; what they give is
held by numbers that the scripts themselves gave (tests/golden/reference_scripts.json). They are
here to compare with published figures, never as a headline.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

from components.evaluation.cider import cider_scores
from components.evaluation.rouge import longest_common_subsequence
from components.evaluation.samples import References, Values, score_each

# Gigaword's signs, as its summaries were stored; here they turn signs that ROUGE passes over into
# words. Its other rules (quotes, dashes, digits) move what ROUGE does not see, and are left out.
_STORED = {
    "(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-",
    "&": "&amp;", "<": "&lt;", ">": "&gt;",
}  # fmt: skip
_NOT = re.compile(r"n ' t(?= |$)")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NO_QUOTES = str.maketrans("", "", "\"/\\'")
# From ":" to "[" is a range, so that "-" stays and "<", "=", ">", "@" go.
_LISTED = re.compile(r"[.,?;*!%^&_+():-\[\]{}]")
ROUGE_BETA = 1.2  # of the captioning toolkit: recall counts more


def score_verbatim(predictions: Sequence[str], references: References) -> Values:
    """100 where the prediction, less the spaces at its ends, is a reference, letter by letter."""
    return score_each(predictions, references, lambda said, texts: 100.0 * (said.strip() in texts))


def rewrite_summary(text: str) -> str:
    """A generated summary as the scripts score it: every 1 is a #, and signs are named.

    Gigaword hides digits behind #; of its rule only the 1 is left.
    """
    words = " ".join(_STORED.get(word, word) for word in text.lower().split())
    return _NOT.sub(" n't", words).replace("1", "#")


def clean_caption(text: str) -> str:
    """A caption as the scripts compare it: lower case, without the signs that they list."""
    return _LISTED.sub("", text.translate(_NO_QUOTES).strip().lower())


def _clean_said(text: str) -> str:
    """What was said loses all punctuation when it is decoded, and then as any caption."""
    return clean_caption(text.translate(_NO_PUNCTUATION).strip())


def score_caption_rouge_l(predictions: Sequence[str], references: References) -> Values:
    """100 x ROUGE-L as the captioning toolkit: no stemmer, and of several references the best
    precision beside the best recall."""

    def value(said: str, accepted: Sequence[str]) -> float:
        ours = _clean_said(said).split(" ")
        texts = [clean_caption(text).split(" ") for text in accepted]
        common = [longest_common_subsequence(text, ours) for text in texts]
        precision = max(common) / len(ours)
        recall = max(num / len(text) for num, text in zip(common, texts, strict=True))
        if not precision:
            return 0.0
        square = ROUGE_BETA**2
        return 100 * (1 + square) * precision * recall / (recall + square * precision)

    return score_each(predictions, references, value)


def score_caption_cider(predictions: Sequence[str], references: References) -> Values:
    """CIDEr x 100 as the captioning toolkit has it (its class Cider): CIDEr-D, of other words."""
    accepted = [[clean_caption(text) for text in texts] for texts in references]
    return cider_scores([_clean_said(said) for said in predictions], accepted, str.split)
