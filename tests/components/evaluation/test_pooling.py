"""Pools agree with scikit-learn and sacrebleu, on the test set and on any resample of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sklearn.metrics import f1_score, roc_auc_score

from components.errors import UserError
from components.evaluation.bleu import pool_bleu
from components.evaluation.intervals import find_groups
from components.evaluation.metrics import METRICS, normalise_answer
from components.evaluation.pooling import Answers, pool_auc, pool_f1

NAMES = ["a", "b", "c"]
NONE = np.zeros(0)

labels = st.sampled_from(NAMES)
draws = st.integers(0, 3)


def estimate(pool, answers: Answers, names: Sequence[str], weights: Sequence[int]) -> float:  # type: ignore[no-untyped-def]
    """A pool's value where each group is drawn so often."""
    found = pool(answers, NONE, find_groups(names))(np.array([weights], np.float64))
    return float(found[0])


def each_alone(num: int) -> list[str]:
    return [f"{i:03d}" for i in range(num)]


@pytest.mark.parametrize("average", ["macro", "weighted"])
@settings(max_examples=60)
@given(rows=st.lists(st.tuples(labels, labels, draws), min_size=1, max_size=20))
def test_f1_is_scikit_learn_s_on_every_resample(
    average: str, rows: list[tuple[str, str, int]]
) -> None:
    truth, said, weights = (list(column) for column in zip(*rows, strict=True))
    assume(sum(weights))
    answers = Answers([text.upper() for text in said], [[text] for text in truth])
    ours = estimate(pool_f1(average, normalise_answer), answers, each_alone(len(rows)), weights)
    drawn = [np.repeat(column, weights) for column in (truth, said)]
    expected = f1_score(*drawn, average=average, zero_division=0)
    assert ours == pytest.approx(100 * expected)


def chances(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    logs = np.array(rows)
    raised = np.exp(logs - logs.max(1, keepdims=True))  # as ours, so that ties stay ties
    normed: NDArray[np.float64] = raised / raised.sum(1, keepdims=True)
    return normed


@pytest.mark.parametrize("num_classes", [2, 3])
@settings(max_examples=60)
@given(data=st.data())
def test_auc_is_that_of_medmnist_s_evaluator(num_classes: int, data: st.DataObject) -> None:
    names = NAMES[:num_classes]
    num = data.draw(st.integers(num_classes, 15))
    truth = data.draw(st.lists(st.sampled_from(names), min_size=num, max_size=num))
    logs = data.draw(
        st.lists(
            st.lists(st.integers(-3, 0).map(float), min_size=num_classes, max_size=num_classes),
            min_size=num, max_size=num,
        )
    )  # fmt: skip
    weights = data.draw(st.lists(draws, min_size=num, max_size=num))
    drawn_truth, drawn = np.repeat(truth, weights), np.repeat(chances(logs), weights, 0)
    assume(set(drawn_truth) == set(names))
    answers = Answers(
        [""] * num, [[text] for text in truth], [dict(zip(names, row, strict=True)) for row in logs]
    )
    # as the evaluator: of two classes the second one's chance, of more each against the rest
    chosen = [1] if num_classes == 2 else range(num_classes)
    expected = np.mean([roc_auc_score(drawn_truth == names[c], drawn[:, c]) for c in chosen])
    ours = estimate(pool_auc, answers, each_alone(num), weights)
    assert ours == pytest.approx(100 * expected)


def test_auc_is_the_number_that_the_evaluator_gave() -> None:
    """By getAUC of medmnist 3.0.2 on the same probabilities, as a set of several classes."""
    truth = [NAMES[i] for i in (0, 1, 2, 1, 0, 2, 2, 1)]
    logs = [
        (-0.2, -1.9, -3.0), (-1.2, -0.5, -2.2), (-2.0, -1.1, -0.6), (-0.4, -1.4, -2.4),
        (-1.0, -1.0, -1.3), (-1.7, -0.3, -2.9), (-3.0, -2.2, -0.2), (-2.1, -0.8, -0.9),
    ]  # fmt: skip
    options = [dict(zip(NAMES, row, strict=True)) for row in logs]
    answers = Answers([""] * 8, [[text] for text in truth], options)
    assert estimate(pool_auc, answers, each_alone(8), [1] * 8) == pytest.approx(77.2222222)


def test_auc_is_not_defined_without_an_item_of_each_class() -> None:
    answers = Answers(["a"] * 3, [["a"]] * 3, [{"a": -0.1, "b": -2.3}] * 3)
    assert math.isnan(estimate(pool_auc, answers, each_alone(3), [1, 1, 1]))


def test_auc_needs_the_probabilities() -> None:
    with pytest.raises(UserError, match="log-probability of every class"):
        pool_auc(Answers(["a"], [["a"]]), NONE, find_groups(["x"]))


@pytest.mark.parametrize("order", [1, 4])
@settings(max_examples=60)
@given(
    rows=st.lists(
        st.tuples(
            st.lists(labels, max_size=9).map(" ".join),
            st.lists(labels, min_size=1, max_size=9).map(" ".join),
            draws,
        ),
        min_size=1,
        max_size=8,
    )
)
def test_bleu_is_sacrebleu_s_of_the_whole_resample(
    order: int, rows: list[tuple[str, str, int]]
) -> None:
    said, truth, weights = (list(column) for column in zip(*rows, strict=True))
    assume(sum(weights))
    answers = Answers([text.upper() for text in said], [[text] for text in truth])
    ours = estimate(pool_bleu(order), answers, each_alone(len(rows)), weights)
    bleu = BLEU(lowercase=True, max_ngram_order=order, smooth_method="none")
    drawn = [np.repeat(column, weights).tolist() for column in (said, truth)]
    assert ours == pytest.approx(bleu.corpus_score(drawn[0], [drawn[1]]).score, abs=1e-6)


def test_bleu_sums_over_groups_of_items() -> None:
    texts = ["the lungs are clear today", "no acute disease is seen", "heart is normal in size"]
    wanted = [["the lungs are clear"], ["no acute disease"], ["the heart is normal in size"]]
    answers = Answers(texts, wanted)
    alone = estimate(pool_bleu(4), answers, ["x", "y", "z"], [1, 1, 2])
    grouped = estimate(pool_bleu(4), answers, ["x", "x", "z"], [1, 2])
    assert grouped == pytest.approx(alone) and 0 < alone < 100


def test_a_class_that_is_never_answered_lowers_macro_f1_but_not_accuracy() -> None:
    truth = ["normal"] * 9 + ["pneumonia"]
    answers = Answers(["normal"] * 10, [[text] for text in truth])
    groups = find_groups(each_alone(10))
    values = METRICS["macro_f1"].score(answers.texts, answers.references)
    pooled = {
        name: float(METRICS[name].pool(answers, values, groups)(groups.every)[0])
        for name in ("accuracy", "macro_f1", "weighted_f1")
    }
    assert pooled["accuracy"] == pytest.approx(90)
    assert pooled["macro_f1"] == pytest.approx(100 * (2 * 9 / 19) / 2)
    assert pooled["weighted_f1"] == pytest.approx(100 * (2 * 9 / 19) * 0.9)
