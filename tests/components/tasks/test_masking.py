"""Text infilling: whole words go, the budget is kept, and the seed decides."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.tasks.masking import mask_words, span_lengths

MASK = 999
WORDS = st.lists(st.integers(1, 4), min_size=1, max_size=40)
RATIOS = st.floats(0.05, 0.95)
SEEDS = st.integers(0, 2**32 - 1)


def number_tokens(word_lengths: list[int]) -> list[list[int]]:
    """Words of distinct tokens; a word begins with an even token, and goes on with odd ones."""
    first = iter(range(0, 10_000, 2))
    following = iter(range(1, 10_000, 2))
    return [[next(first), *(next(following) for _ in range(n - 1))] for n in word_lengths]


def mask(words: list[list[int]], ratio: float, seed: int) -> list[int]:
    ids = [token for word in words for token in word]
    rng = np.random.default_rng(seed)
    return mask_words(ids, lambda token: token % 2 == 0, -1, ratio, rng)


@given(WORDS, RATIOS, SEEDS)
@settings(deadline=None)
def test_words_go_as_a_whole_and_no_more_than_the_budget(
    word_lengths: list[int], ratio: float, seed: int
) -> None:
    words = number_tokens(word_lengths)
    masked = mask(words, ratio, seed)
    kept = [token for token in masked if token != -1]
    assert kept == [token for word in words if word[0] in kept for token in word]
    num_gone = sum(word[0] not in kept for word in words)
    assert num_gone <= math.ceil(len(words) * ratio)
    assert -1 in masked


@given(WORDS, RATIOS, SEEDS)
@settings(deadline=None)
def test_every_lost_word_is_under_a_mask(word_lengths: list[int], ratio: float, seed: int) -> None:
    words = number_tokens(word_lengths)
    masked = mask(words, ratio, seed)
    for word, after in zip(words, [*words[1:], [None]], strict=True):
        if word[0] in masked or after[0] not in masked:
            continue
        assert masked[masked.index(after[0]) - 1] == -1


@given(st.integers(1, 200), SEEDS)
@settings(deadline=None)
def test_spans_add_up_to_the_budget_exactly(num_words: int, seed: int) -> None:
    lengths = span_lengths(num_words, np.random.default_rng(seed))
    assert sum(lengths) == num_words
    assert min(lengths) >= 0
    assert lengths[-1] > 0


@given(WORDS, RATIOS, SEEDS)
@settings(deadline=None)
def test_the_random_numbers_decide_alone(word_lengths: list[int], ratio: float, seed: int) -> None:
    words = number_tokens(word_lengths)
    assert mask(words, ratio, seed) == mask(words, ratio, seed)


def test_spans_that_meet_lose_no_budget() -> None:
    """As in the reference, a span that begins inside another one goes on for its own length."""

    class Scripted:
        lengths = iter([2, 2])

        def poisson(self, _: float) -> int:
            return next(self.lengths)

        def choice(self, _: int, size: int, replace: bool) -> list[int]:
            return [0, 1]

    masked = mask_words(range(0, 20, 2), lambda _: True, -1, 0.4, Scripted())  # type: ignore[arg-type]
    assert masked == [-1, *range(6, 20, 2)]


def test_lengths_are_poisson_with_mean_three() -> None:
    rng = np.random.default_rng(0)
    lengths = [n for _ in range(200) for n in span_lengths(60, rng)[:-1]]
    assert abs(np.mean(lengths) - 3.0) < 0.1
    assert abs(lengths.count(0) / len(lengths) - math.exp(-3)) < 0.01


def test_the_share_of_masked_words_is_near_the_ratio() -> None:
    words = number_tokens([2] * 100)
    gone = [
        sum(word[0] not in masked for word in words)
        for masked in (mask(words, 0.3, seed) for seed in range(100))
    ]
    assert 23 < np.mean(gone) <= 30


def test_a_text_without_words_stays() -> None:
    assert mask_words([], lambda _: True, MASK, 0.3, np.random.default_rng(0)) == []
