"""Metrics: what a prediction is worth, one value per sample, with a version and a definition.

A score is only comparable with another of the same name and version. Every metric gives a value
per test item (percent, or CIDEr x 100), and a pool that makes a data set's value of them, so that
intervals can resample items and differences can be paired. A metric is added with one function and
one line of ``METRICS``.

Where the reference's scripts compute something else than what the field means by a metric, both
are here: the clean one, and one that reproduces the scripts (``REFERENCE_METRICS``).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from components.errors import UserError
from components.evaluation.bleu import pool_bleu, score_bleu
from components.evaluation.cider import cider_scores
from components.evaluation.intervals import PERCENT, Scale
from components.evaluation.meteor import score_meteor
from components.evaluation.pooling import Pool, pool_auc, pool_class_mean, pool_f1, pool_mean
from components.evaluation.reference_scripts import (
    rewrite_summary,
    score_caption_cider,
    score_caption_rouge_l,
    score_verbatim,
)
from components.evaluation.rouge import score_rouge
from components.evaluation.samples import References, Values, score_each

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Metric:
    """How predictions are scored.

    ``score`` takes all predictions of a data set and their references and returns one value per
    prediction; ``pool`` makes a data set's value of them, or of the answers themselves
    (components/evaluation/pooling.py). ``differs`` says how the reference's scripts differ: of a
    metric that reproduces them, from the clean one; of another, that they lack it. ``rests_on``
    says what its interval rests on where all answers are alike: on all items, on each class alike,
    or on the rarest.
    """

    name: str
    title: str
    version: str
    unit: Literal["%", "x100"]
    definition: str
    score: Callable[[Sequence[str], References], Values]
    pool: Pool = pool_mean
    differs: str = ""
    rests_on: Literal["items", "classes", "rarest"] = "items"

    @property
    def scale(self) -> Scale:
        """The least and the greatest value: CIDEr goes to 10, and is told times 100."""
        return PERCENT if self.unit == "%" else (0.0, 1000.0)


def normalise_answer(text: str) -> str:
    """Lower case, single spaces, no full stop at the end; signs and accents composed (NFC).

    A full stop at the beginning stays: .5 is not 5.
    """
    return unicodedata.normalize("NFC", " ".join(text.lower().split())).rstrip(" .")


def score_exact_match(predictions: Sequence[str], references: References) -> Values:
    """100 where the whole normalised prediction equals a reference, else 0.

    The whole answer counts: "no" is not found inside "normal". Nothing said is never right.
    """

    def value(prediction: str, accepted: Sequence[str]) -> float:
        said = normalise_answer(prediction)
        return 100.0 * (said != "" and said in {normalise_answer(text) for text in accepted})

    return score_each(predictions, references, value)


def score_words(
    share: Callable[[int, int, int], float],
) -> Callable[[Sequence[str], References], Values]:
    """A scorer of bags of words, the best over the references.

    ``share`` takes how many words both have, the prediction has, and the reference has; with no
    word in either the prediction is right, and with none in one of them it is wrong.
    """

    def compare(prediction: str, reference: str) -> float:
        said = Counter(_WORD.findall(prediction.lower()))
        wanted = Counter(_WORD.findall(reference.lower()))
        num_common = (said & wanted).total()
        if not num_common:
            return 100.0 * (not said and not wanted)
        return 100.0 * share(num_common, said.total(), wanted.total())

    return lambda predictions, references: score_each(
        predictions,
        references,
        lambda prediction, accepted: max(compare(prediction, text) for text in accepted),
    )


_EXACT = (
    "Share of answers that equal the true answer as a whole, after lower-casing, joining spaces, "
    "composing accents (NFC) and dropping a final full stop. An empty answer is wrong."
)
_CLASSES = "A class is a whole answer, as in accuracy; an answer that is no class counts as one."
_NO_SCRIPT = "The reference's scripts do not compute it."
_REWRITTEN = (
    "In summaries every 1 becomes a # and a bracket that stands alone a word, in what is scored "
    "and not in its references, so that right numbers count as wrong."
)
_UNCLEANED = (
    "Words are split at spaces of lower-cased text without the signs that the script lists; the "
    "script takes references with their hyphens, here they have lost them as the targets have."
)
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "Accuracy", "1.1", "%", _EXACT, score_exact_match),
        Metric(
            "balanced_accuracy", "Balanced accuracy", "1.1", "%",
            "Mean over the true classes of the share of that class answered rightly (as accuracy).",
            score_exact_match, pool_class_mean, _NO_SCRIPT, "classes",
        ),
        Metric(
            "macro_f1", "Macro F1", "1.1", "%",
            f"Mean of the classes' F1, over those that are true or answered. {_CLASSES}",
            score_exact_match, pool_f1("macro", normalise_answer), _NO_SCRIPT, "classes",
        ),
        Metric(
            "weighted_f1", "Weighted F1", "1.1", "%",
            f"Mean of the classes' F1, each by its number of true items. {_CLASSES}",
            score_exact_match, pool_f1("weighted", normalise_answer), _NO_SCRIPT,
        ),
        Metric(
            "auc", "AUC", "1.0", "%",
            "Area under the ROC curve of the classes' probabilities, as MedMNIST's evaluator: of "
            "two classes one area, of more the mean of each against the rest. Not defined where a "
            "class has no test item, or all. The baseline, which ranks nothing, has 50.",
            score_exact_match, pool_auc, _NO_SCRIPT, "rarest",
        ),
        Metric(
            "vqa_accuracy", "Accuracy", "1.1", "%",
            _EXACT + " Open and closed questions are also scored apart.", score_exact_match,
        ),
        Metric(
            "vqa_accuracy_paper", "Accuracy (paper's way)", "1.0", "%",
            "Share of answers that equal the true answer letter by letter, less the spaces at "
            "their ends.", score_verbatim,
            differs="Upper case, a final full stop or a double space make an answer wrong.",
        ),
        Metric(
            "token_f1", "Token F1", "1.0", "%",
            "F1 of the words of the answer and of the true answer, as bags, lower-cased; the mean "
            "over samples.", score_words(lambda both, said, wanted: 2 * both / (said + wanted)),
            differs=_NO_SCRIPT,
        ),
        Metric(
            "token_recall", "Token recall", "1.0", "%",
            "Share of the true answer's words that the answer has, as bags, lower-cased; the mean "
            "over samples. A long answer is not punished.",
            score_words(lambda both, _, wanted: both / wanted), differs=_NO_SCRIPT,
        ),
        Metric(
            "rouge_1", "ROUGE-1", "1.0", "%",
            "F-measure of shared words, Porter stemmer (rouge-score); the mean over samples.",
            score_rouge("rouge1"),
        ),
        Metric(
            "rouge_2", "ROUGE-2", "1.0", "%",
            "F-measure of shared word pairs, Porter stemmer (rouge-score); the mean over samples.",
            score_rouge("rouge2"),
        ),
        Metric(
            "rouge_l", "ROUGE-L", "1.0", "%",
            "F-measure of the longest common subsequence of words, Porter stemmer (rouge-score); "
            "the mean over samples.", score_rouge("rougeL"),
        ),
        Metric(
            "rouge_1_paper", "ROUGE-1 (paper's way)", "1.0", "%",
            "ROUGE-1 of a rewritten summary.", score_rouge("rouge1", rewrite_summary),
            differs=_REWRITTEN,
        ),
        Metric(
            "rouge_2_paper", "ROUGE-2 (paper's way)", "1.0", "%",
            "ROUGE-2 of a rewritten summary.", score_rouge("rouge2", rewrite_summary),
            differs=_REWRITTEN,
        ),
        Metric(
            "rouge_l_paper", "ROUGE-L (paper's way)", "1.0", "%",
            "ROUGE-L of a rewritten summary.", score_rouge("rougeL", rewrite_summary),
            differs=_REWRITTEN,
        ),
        Metric(
            "caption_rouge_l_paper", "ROUGE-L (paper's way)", "1.0", "%",
            "ROUGE-L of captions as the captioning toolkit has it: words are not stemmed, and "
            "recall weighs 1.2 times as much as precision.", score_caption_rouge_l,
            differs=_UNCLEANED,
        ),
        Metric(
            "bleu_1", "BLEU-1", "1.0", "%",
            "Corpus BLEU of single words (sacrebleu, tokenizer 13a, lower case, no smoothing).",
            score_bleu(1), pool_bleu(1), _NO_SCRIPT,
        ),
        Metric(
            "bleu_4", "BLEU-4", "1.0", "%",
            "Corpus BLEU of up to four words in a row (sacrebleu, tokenizer 13a, lower case, no "
            "smoothing).", score_bleu(4), pool_bleu(4), _NO_SCRIPT,
        ),
        Metric(
            "meteor_exact_stem", "METEOR (exact, stem)", "1.0", "%",
            "METEOR of exact words and Porter stems (NLTK; alpha 0.9, beta 3, gamma 0.5), without "
            "synonyms and paraphrases; the mean over samples.", score_meteor,
            differs="The reference's scripts name METEOR and do not compute it. The toolkit's "
            "counts synonyms and paraphrases, too, with other weights, and is not comparable.",
        ),
        Metric(
            "cider", "CIDEr-D", "1.0", "x100",
            "CIDEr-D (arXiv 1411.5726; n up to 4, sigma 6) x 100, from 0 to 1000; document "
            "frequencies from this test set's references.", cider_scores,
        ),
        Metric(
            "cider_paper", "CIDEr (paper's way)", "1.0", "x100",
            "CIDEr of the captioning toolkit x 100, which is CIDEr-D (n up to 4, sigma 6).",
            score_caption_cider, differs=_UNCLEANED,
        ),
    )
}  # fmt: skip
# Of a task and a clean metric: the one that reproduces the reference's scripts.
REFERENCE_METRICS = {
    ("vqa", "vqa_accuracy"): "vqa_accuracy_paper",
    ("summarize", "rouge_1"): "rouge_1_paper",
    ("summarize", "rouge_2"): "rouge_2_paper",
    ("summarize", "rouge_l"): "rouge_l_paper",
    ("caption", "rouge_l"): "caption_rouge_l_paper",
    ("caption", "cider"): "cider_paper",
}


def find_metric(name: str) -> Metric:
    """The metric of that name; UserError names the known ones."""
    if name not in METRICS:
        raise UserError(f"no metric named {name!r}", why=f"known: {', '.join(sorted(METRICS))}")
    return METRICS[name]


def find_reference_metric(task: str, name: str) -> Metric | None:
    """What the reference's scripts compute under that name; None where it is the same, or none."""
    found = REFERENCE_METRICS.get((task, name))
    return METRICS[found] if found else None
