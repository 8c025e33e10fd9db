"""Baselines learn from training answers and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from components.errors import UserError
from components.evaluation.baselines import find_best_constant, fit_baseline
from components.evaluation.rouge import longest_common_subsequence, rouge_l_f
from components.records import Example


def example(
    source: str, target: str, category: str = "", candidates: list[str] | None = None
) -> Example:
    return Example(
        id=f"{source}/{target}",
        dataset="d",
        task="vqa",
        split="train",
        source=source,
        target=target,
        category=category,
        candidates=candidates or [],
    )


TRAIN = [
    example("is it normal?", "no", "closed"),
    example("is it normal?", "no", "closed"),
    example("is it normal?", "yes", "closed"),
    example("which side?", "left", "open"),
    example("which side?", "right", "open"),
    example("where?", "right", "open"),
    example("is there fluid?", "yes", "closed"),
    example("is there air?", "yes", "closed"),
]


@pytest.mark.parametrize(
    ("source", "category", "expected"),
    [
        ("is it normal?", "closed", "no"),  # the same question
        ("is it normal?", "open", "no"),
        ("is the heart large?", "closed", "yes"),  # the category
        ("what is it?", "open", "right"),
        ("what is it?", "unknown", "yes"),  # of all
        ("which side?", "open", "right"),  # a tie goes to the more frequent answer
    ],
)
def test_majority_backs_off(source: str, category: str, expected: str) -> None:
    answer = fit_baseline(TRAIN, "candidates")
    assert answer(example(source, "unseen truth", category)) == expected


def test_options_take_the_one_most_often_right() -> None:
    train = [example("q", "b", candidates=["a", "b"])] * 2 + [
        example("q", "a", candidates=["a", "b"])
    ]
    answer = fit_baseline(train, "options")
    assert answer(example("new", "a", candidates=["a", "b", "c"])) == "b"
    assert answer(example("new", "y", candidates=["x", "y"])) == "x"


def test_text_is_the_best_constant() -> None:
    targets = ["no acute disease", "no acute process", "no disease", "large left effusion"]
    answer = fit_baseline([example("q", target) for target in targets], "text")
    assert answer(example("anything", "")) == "no acute disease"


def test_the_constant_repeats_with_its_seed() -> None:
    targets = [f"word{i % 7} finding{i % 11} number{i}" for i in range(900)]
    assert find_best_constant(targets, seed=4) == find_best_constant(targets, seed=4)
    assert find_best_constant(targets, seed=4) in targets


@pytest.mark.parametrize("kind", ["candidates", "options", "text"])
def test_nothing_to_learn_from_is_said(kind: str) -> None:
    with pytest.raises(UserError, match="no training example"):
        fit_baseline([], kind)  # type: ignore[arg-type]


words = st.lists(st.sampled_from("abcd"), max_size=25)


def plain_lcs(first: list[str], second: list[str]) -> int:
    row = [0] * (len(second) + 1)
    for one in first:
        above = row[:]
        for j, other in enumerate(second):
            row[j + 1] = above[j] + 1 if one == other else max(row[j], above[j + 1])
    return row[-1]


@given(words, words)
def test_common_subsequence_agrees_with_the_table(first: list[str], second: list[str]) -> None:
    assert longest_common_subsequence(first, second) == plain_lcs(first, second)


@settings(max_examples=50)
@given(st.text("abc d", max_size=20), st.text("abc d", max_size=20))
def test_rouge_l_agrees_with_the_library(first: str, second: str) -> None:
    tokenizer = DefaultTokenizer(use_stemmer=True)
    ours = rouge_l_f(tokenizer.tokenize(first), tokenizer.tokenize(second))
    theirs = RougeScorer(["rougeL"], use_stemmer=True).score(first, second)["rougeL"].fmeasure
    assert ours == pytest.approx(theirs)
