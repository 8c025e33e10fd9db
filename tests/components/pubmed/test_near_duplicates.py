"""Near-duplicates: what meets, what is dropped, and that nothing but the texts decides it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.pubmed import near_duplicates
from components.pubmed.near_duplicates import (
    BANDS,
    MIN_WORDS,
    SIMILARITY,
    find_near_duplicates,
    fingerprint,
    pair_candidates,
    verify_pairs,
)

VOCABULARY = [f"{head}{tail}" for head in ("car", "neur", "hep", "ost") for tail in range(500)]


def write_words(rng: random.Random, num_words: int) -> list[str]:
    return [rng.choice(VOCABULARY) for _ in range(num_words)]


def change_words(rng: random.Random, words: list[str], num_changes: int) -> list[str]:
    changed = list(words)
    for at in rng.sample(range(len(words)), num_changes):
        changed[at] = f"changed{rng.randrange(10**9)}"
    return changed


def shingles(text: str) -> set[tuple[str, ...]]:
    """As the definition says it; for texts whose only punctuation is the space."""
    words = text.lower().split()
    return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}


def jaccard(left: str, right: str) -> float:
    a, b = shingles(left), shingles(right)
    return len(a & b) / len(a | b)


def number(texts: Sequence[str | None]) -> pl.LazyFrame:
    keys = fingerprint(pl.Series(texts, dtype=pl.String))
    num_chars = pl.Series(texts, dtype=pl.String).str.len_chars().cast(pl.Int32)
    return keys.with_columns(order=pl.int_range(pl.len()), num_chars=num_chars).lazy()


def drop(texts: Sequence[str]) -> dict[int, int]:
    """Which of the texts are dropped, and for which."""
    found = find_near_duplicates(number(texts), lambda orders: {n: texts[n] for n in orders})
    return dict(found.select("order", "kept").rows())


def test_a_text_with_three_words_changed_is_dropped_for_the_first() -> None:
    rng = random.Random(1)
    words = write_words(rng, 250)
    texts = [words, write_words(rng, 250), change_words(rng, words, 3), write_words(rng, 250)]
    assert drop([" ".join(text) for text in texts]) == {2: 0}


def test_another_heading_case_or_punctuation_is_no_other_text() -> None:
    words = write_words(random.Random(2), 200)
    half = " ".join(words[:100]), " ".join(words[100:])
    plain = f"{half[0]} {half[1]}"
    headed = f"BACKGROUND: {half[0]}.\nRESULTS: {half[1]}."
    other = f"Objective\u2014{half[0].upper()}; Findings \u201c{half[1].title()}\u201d"
    assert drop([plain, headed, other]) == {1: 0, 2: 0}


def test_one_form_with_different_content_is_kept() -> None:
    rng = random.Random(3)
    form = write_words(rng, 100)
    texts = [" ".join(form + write_words(rng, 100)) for _ in range(200)]
    copy = change_words(rng, texts[150].split(), 2)
    assert drop([*texts, " ".join(copy)]) == {200: 150}


def test_missing_and_short_texts_have_no_keys() -> None:
    words = write_words(random.Random(4), MIN_WORDS)
    keys = fingerprint(pl.Series([None, "", "?!", " ".join(words[1:]), " ".join(words)]))
    assert keys.schema == pl.Schema(dict.fromkeys(BANDS, pl.UInt64))
    assert [keys[band].is_null().to_list() for band in BANDS] == [[True] * 4 + [False]] * len(BANDS)
    assert fingerprint(pl.Series([], dtype=pl.String)).schema == keys.schema
    assert drop([]) == {}


def test_each_character_is_a_word_where_no_spaces_are_written() -> None:
    text = "本研究旨在探讨急性心肌梗死患者早期康复治疗的安全性和有效性及其对预后的影响"
    assert drop([text, text + "。", text[::-1]]) == {1: 0}


def test_the_keys_are_those_of_every_machine_and_version() -> None:
    """Where they change, stored fingerprints are void: they must be taken anew with the corpus."""
    short = "Aspirin, 100 mg/day, lowers risks of \u03b2-thalassaemia by 5\u20137 % in caf\u00e9s. "
    long = " ".join(f"w{n}" for n in range(3000))
    keys = fingerprint(pl.Series([short * 3, long]))
    assert keys.select(BANDS[0], BANDS[-1]).rows() == [
        (16_637_577_985_363_386_194, 3_668_822_817_839_607_478),
        (14_968_669_080_845_104_749, 16_929_028_292_476_272_195),
    ]


def test_another_process_finds_the_same_keys() -> None:
    code = (
        "import polars, sys; from components.pubmed.near_duplicates import fingerprint;"
        "texts = [' '.join(f'w{n * k % 97}' for n in range(60)) for k in range(1, 700)];"
        "print(fingerprint(polars.Series(texts)).rows())"
    )
    outputs = set()
    for seed, threads in (("1", "1"), ("2", "4")):
        numbers = {"PYTHONHASHSEED": seed, "POLARS_MAX_THREADS": threads}
        env = os.environ | numbers | {"RAYON_NUM_THREADS": threads}
        outputs.add(subprocess.check_output([sys.executable, "-c", code], env=env))
    assert len(outputs) == 1


def test_similarity_is_exact() -> None:
    rng = random.Random(5)
    words = write_words(rng, 120)
    texts = [" ".join(change_words(rng, words, changes)) for changes in range(12)]
    pairs = pl.DataFrame({"earlier": [0] * 11, "later": range(1, 12)})
    num_chars = number(texts).select("order", "num_chars").collect()
    measured = verify_pairs(pairs, num_chars, lambda orders: {n: texts[n] for n in orders})
    exact = [jaccard(texts[0], text) for text in texts[1:]]
    assert measured["similarity"].to_list() == [s for s in exact if s >= SIMILARITY]
    assert 0 < measured.height < 11


def test_what_is_far_from_the_kept_one_is_kept() -> None:
    """Each differs little from the one before it, and the third much from the first."""
    words = write_words(random.Random(6), 100)
    chain = [" ".join(words[at : at + 80]) for at in (0, 8, 16)]
    assert jaccard(chain[0], chain[1]) >= SIMILARITY > jaccard(chain[0], chain[2])
    assert drop(chain) == {1: 0}


def test_texts_are_read_for_candidates_only_and_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(near_duplicates, "CHARS_READ", 50_000)
    rng = random.Random(7)
    originals = [write_words(rng, 30) for _ in range(1500)]
    copies = [[*words, "end"] for words in originals[:1100]]
    texts = [" ".join(words) for words in originals + copies]
    asked: list[list[int]] = []

    def read_texts(orders: Sequence[int]) -> dict[int, str]:
        asked.append(list(orders))
        return {order: texts[order] for order in orders}

    assert find_near_duplicates(number(texts), read_texts).height == len(copies)
    assert len(asked) > 5
    assert all(sum(len(texts[order]) for order in orders) < 52_000 for orders in asked)
    untouched = range(len(copies), len(originals))
    assert not {order for orders in asked for order in orders} & set(untouched)


def test_a_crowded_bucket_gives_a_pair_a_member() -> None:
    num_rows = 5000
    keys = {band: pl.int_range(num_rows, eager=True).cast(pl.UInt64) for band in BANDS[1:]}
    crowd = pl.DataFrame({"order": range(num_rows), BANDS[0]: pl.repeat(7, num_rows, eager=True)})
    bands = crowd.with_columns(pl.col(BANDS[0]).cast(pl.UInt64), **keys).sample(
        fraction=1, shuffle=True, seed=1
    )
    pairs = pair_candidates(bands.lazy())
    assert pairs.rows() == [(0, later) for later in range(1, num_rows)]


def test_parts_and_slices_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(8)
    originals = [write_words(rng, 60) for _ in range(300)]
    copies = [change_words(rng, words, 1) for words in originals]
    texts = [*(" ".join(words) for words in originals + copies), None, ""]
    keys, pairs = number(texts).collect(), pair_candidates(number(texts))
    monkeypatch.setattr(near_duplicates, "SLICE_BYTES", 1000)
    monkeypatch.setattr(near_duplicates, "PART_ROWS", 100)
    assert number(texts).collect().equals(keys)
    assert pair_candidates(number(texts)).equals(pairs)
    assert pairs.height > 280


def test_the_pairs_that_are_overlooked_are_as_few_as_the_docstring_says() -> None:
    """4,000 pairs from the threshold upwards; the seed is fixed, so the outcome is."""
    rng = random.Random(9)
    originals = [write_words(rng, rng.randrange(40, 300)) for _ in range(4000)]
    copies = [
        change_words(rng, words, rng.randint(1, max(1, len(words) // 45))) for words in originals
    ]
    texts = [" ".join(words) for words in originals + copies]
    similarities = [jaccard(a, b) for a, b in zip(texts[:4000], texts[4000:], strict=True)]
    met = set(pair_candidates(number(texts)).rows())
    alike = [(n, s) for n, s in enumerate(similarities) if s >= SIMILARITY]
    overlooked = sum((n, n + 4000) not in met for n, _ in alike)
    expected = sum((1 - s**6) ** 16 for _, s in alike)
    assert len(alike) > 3000
    assert overlooked <= 2 * expected + 4
    assert len(met) < 4000  # nothing unrelated met


words_of_few = st.lists(st.sampled_from(VOCABULARY[:40]), min_size=MIN_WORDS, max_size=60)


@st.composite
def corpora(draw: st.DrawFn) -> list[str]:
    """Texts, some with copies of which some words were changed, in any order."""
    originals = draw(st.lists(words_of_few, min_size=1, max_size=6))
    copies = [
        change_words(random.Random(seed), originals[which % len(originals)], seed % 4)
        for which, seed in draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99))))
    ]
    return draw(st.permutations([" ".join(words) for words in originals + copies]))


@settings(max_examples=40, deadline=None)
@given(corpora(), st.randoms(use_true_random=False), st.integers(1, 9))
def test_batches_and_their_order_change_nothing(
    texts: list[str], rng: random.Random, size: int
) -> None:
    bands = number(texts).collect()
    batches = [number(texts[at : at + size]).with_columns(pl.col("order") + at)
               for at in range(0, len(texts), size)]  # fmt: skip
    rng.shuffle(batches)
    shuffled = pl.concat(batches)
    assert shuffled.sort("order").collect().equals(bands)
    found = [
        find_near_duplicates(frame, lambda orders: {n: texts[n] for n in orders})
        for frame in (bands.lazy(), shuffled)
    ]
    assert found[0].equals(found[1])


@settings(max_examples=40, deadline=None)
@given(corpora())
def test_only_what_is_similar_to_a_kept_record_is_dropped(texts: list[str]) -> None:
    dropped = drop(texts)
    for order, kept in dropped.items():
        assert kept < order and kept not in dropped
        assert jaccard(texts[kept], texts[order]) >= SIMILARITY


@settings(max_examples=40, deadline=None)
@given(corpora())
def test_equal_texts_always_meet(texts: list[str]) -> None:
    doubled = drop([*texts, *texts])
    assert all(len(texts) + order in doubled for order in range(len(texts)))
