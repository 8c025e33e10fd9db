"""How long the texts of the corpus are, in characters and in tokens of the run's vocabulary.

Characters are counted of every text. Tokens are counted of every text of a kind that has few, else
of a sample drawn with the run's seed, from which the total is estimated with its interval.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from statistics import NormalDist

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.config import Params
from components.lineage import MANIFEST
from components.report.inputs import Lengths, TokenCounts
from components.tokenization.text import space_words
from components.tokenization.vocabulary import Vocabulary

MAX_COUNTED, NUM_DRAWN = 2000, 1000  # texts of a kind: so many are all tokenized, of more so many
BINS_PER_DOUBLING = 4


def measure_lengths(
    articles: pl.LazyFrame, figures: pl.LazyFrame | None, vocabulary: Path, params: Params
) -> list[Lengths]:
    """Lengths of abstracts, full texts and captions, as far as there are some.

    A text is what pretraining reads: title and text in lower-cased words; a caption as it is.
    ``vocabulary`` is a folder; where it holds no finished product, no tokens are counted.
    """
    text = pl.concat_str("title", "text", separator="\n")
    kinds = {
        kind: articles.filter(pl.col("kind") == kind).select(text=text)
        for kind in ("abstract", "fulltext")
    }
    if figures is not None:
        kinds["caption"] = figures.select(text="caption")
    read = Vocabulary.load(vocabulary) if (vocabulary / MANIFEST).is_file() else None
    limits = {"caption": params.pretrain.max_target_tokens}
    found = [
        _measure(kind, texts, read, limits.get(kind, params.pretrain.max_source_tokens), params)
        for kind, texts in kinds.items()
    ]
    return [lengths for lengths in found if lengths.num_texts]


def _measure(
    kind: str, texts: pl.LazyFrame, vocabulary: Vocabulary | None, limit: int, params: Params
) -> Lengths:
    chars = pl.col("text").str.len_chars().cast(pl.Int64)
    sizes = texts.select(pl.len(), chars.sum().alias("sum"), chars.max().alias("max"))
    num_texts, num_chars, longest = sizes.collect(engine="streaming").row(0)
    if vocabulary is None or not num_texts:
        return Lengths(kind, num_texts, num_chars, longest or 0, limit, None)
    chosen = choose_texts(num_texts, params.seed)
    rows = texts.with_row_index("row").filter(pl.col("row").is_in(chosen.tolist()))
    drawn = rows.collect(engine="streaming")["text"]
    tokens_N = count_tokens(kind, drawn, vocabulary)
    chars_N = drawn.str.len_chars().cast(pl.Int64).to_numpy()
    total, half_width = estimate_total(
        tokens_N, chars_N, num_texts, num_chars, params.evaluate.confidence
    )
    tokens = _describe(tokens_N, round(total), half_width, limit)
    return Lengths(kind, num_texts, num_chars, longest, limit, tokens)


def count_tokens(kind: str, texts: pl.Series, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Tokens of each text, as pretraining reads a text of its kind."""
    read = (f" {text}" if kind == "caption" else space_words(text) for text in texts)
    return np.array([len(vocabulary.encode(text)) for text in read], dtype=np.int64)


def choose_texts(num_texts: int, seed: int) -> NDArray[np.int64]:
    """Numbers of the texts whose tokens are counted, in order: all, or NUM_DRAWN at random."""
    if num_texts <= MAX_COUNTED:
        return np.arange(num_texts)
    generator = np.random.default_rng(seed)
    return np.sort(generator.choice(num_texts, NUM_DRAWN, replace=False))


def estimate_total(
    tokens_N: NDArray[np.int64],
    chars_N: NDArray[np.int64],
    num_texts: int,
    num_chars: int,
    confidence: float,
) -> tuple[float, float]:
    """Tokens of all texts, and half the width of the confidence interval (0 where N is all).

    N texts were drawn without replacement from ``num_texts``, whose characters are known: the
    ratio estimator and its variance (Cochran, Sampling Techniques, 1977, chapter 6).
    """
    ratio = tokens_N.sum() / max(chars_N.sum(), 1)
    num_counted = len(tokens_N)
    if num_counted == num_texts:
        return float(tokens_N.sum()), 0.0
    rest_N = tokens_N - ratio * chars_N
    per_text = rest_N.var(ddof=1) * (1 - num_counted / num_texts) / num_counted
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return float(ratio * num_chars), z * num_texts * math.sqrt(per_text)


def _describe(
    tokens_N: NDArray[np.int64], total: int, half_width: float, limit: int
) -> TokenCounts:
    low, middle, high = np.quantile(tokens_N, [0.1, 0.5, 0.9], method="inverted_cdf").tolist()
    bins = Counter(place_in_bin(length) for length in tokens_N.tolist())
    return TokenCounts(
        total=total,
        half_width=half_width,
        num_counted=len(tokens_N),
        low=low,
        median=middle,
        high=high,
        longest=int(tokens_N.max()),
        num_over=int((tokens_N > limit).sum()),
        bins=dict(sorted(bins.items())),
    )


def place_in_bin(length: int) -> int:
    """The bin of a length: bin b begins at 2 ** (b / 4) tokens."""
    return math.floor(BINS_PER_DOUBLING * math.log2(max(length, 1)) + 1e-9)
