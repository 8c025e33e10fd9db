"""Runs of words: found wherever they stand, and not where they are mere wording."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.audit.wordruns import RunIndex, Shared, hash_runs, quote
from components.pubmed.near_duplicates import find_near_duplicates, fingerprint

words = st.lists(st.sampled_from("abcde"), max_size=15)


@given(words, words, st.integers(2, 4))
def test_shared_runs_agree_with_a_plain_search(
    test: list[str], train: list[str], length: int
) -> None:
    def runs(text: list[str]) -> set[tuple[str, ...]]:
        return {tuple(text[i : i + length]) for i in range(len(text) - length + 1)}

    index = RunIndex(["unrelated words here", " ".join(test)], ["1", "2"], length)
    found = index.find(" ".join(train))
    common = runs(test) & runs(train)
    if not common:
        assert found == []
    else:
        (shared,) = found
        assert shared.item == 1
        assert shared.num_runs == len(common)
        assert shared.share == pytest.approx(len(common) / len(runs(test)))
        stretch = train[shared.place : shared.place + shared.num_words]
        assert {*runs(stretch)} <= common


def test_runs_of_other_order_are_other_runs() -> None:
    assert len(hash_runs(["a", "b", "c", "d", "e"], 3)) == 3
    assert hash_runs(["a", "b"], 2) != hash_runs(["b", "a"], 2)
    assert len(hash_runs(["a"], 2)) == 0


def test_wording_that_many_groups_share_is_no_run() -> None:
    texts = [f"what is the answer to this question about {name}" for name in "abc"]
    assert RunIndex(texts, ["1", "2", "3"], 4).find("what is the answer to this question") == []
    of_one_group = RunIndex(texts, ["1", "1", "2"], 4).find("what is the answer to this question")
    assert [shared.item for shared in of_one_group] == [0, 1, 2]


def test_a_quotation_marks_what_is_shared() -> None:
    text = "It is said. That one two three four, and so on."
    assert (
        quote(text, Shared(0, 1, 1.0, 4, 4)) == "it is said that « one two three four » and so on"
    )


def write_text(number: int, num_words: int) -> list[str]:
    dice = np.random.default_rng(number)
    return [f"w{word}" for word in dice.integers(0, 5000, num_words)]


def test_runs_find_what_minhash_finds_and_a_question_within_an_article() -> None:
    held = [write_text(number, 60) for number in range(30)]
    near = [[*text[:29], "other", *text[30:]] for text in held]
    around = [(write_text(2 * n + 100, 900), write_text(2 * n + 101, 900)) for n in range(30)]
    within = [[*before, *text, *after] for text, (before, after) in zip(held, around, strict=True)]
    texts = pl.Series([" ".join(text) for text in [*held, *near, *within]])
    bands = fingerprint(texts).with_columns(
        pl.int_range(pl.len()).alias("order"), num_chars=texts.str.len_chars()
    )
    by_minhash = find_near_duplicates(bands.lazy(), lambda rows: {r: texts[r] for r in rows})
    index = RunIndex([" ".join(text) for text in held], [str(n) for n in range(30)], 8)
    shares = [
        max((s.share for s in index.find(" ".join(text))), default=0.0) for text in near + within
    ]
    assert set(by_minhash["order"]) <= set(range(30, 60))  # none within an article
    assert min(shares) >= 0.5
