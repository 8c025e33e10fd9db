"""Metrics say what their definitions say, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import UserError
from components.evaluation.metrics import METRICS, find_metric, normalise_answer


def score(name: str, prediction: str, *references: str) -> float:
    return float(METRICS[name].score([prediction], [references])[0])


@pytest.mark.parametrize("name", ["accuracy", "vqa_accuracy"])
@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("yes", "yes", 100),
        (" Yes ", "yes", 100),
        ("Black.", "black", 100),
        ("left  lung", "Left lung", 100),
        ("normal", "no", 0),
        ("no", "normal", 0),
        ("not seen", "no", 0),
        ("no, it is normal", "no", 0),
        ("x-ray", "x ray", 0),
        ("", "no", 0),
    ],
)
def test_exact_match_looks_at_the_whole_answer(
    name: str, prediction: str, reference: str, expected: float
) -> None:
    assert score(name, prediction, reference) == expected


def test_any_reference_counts() -> None:
    assert score("accuracy", "mr", "magnetic resonance", "MR") == 100


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("left lung", "the left lung", 80),
        ("left left", "left lung", 50),
        ("right", "left", 0),
        ("", "", 100),
        ("", "left", 0),
    ],
)
def test_token_f1_by_hand(prediction: str, reference: str, expected: float) -> None:
    assert score("token_f1", prediction, reference) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # stems shared: which, drug, treat, pain, in this order; of the pairs only "which drug"
        ("rouge_1", 100 * 2 * 4 / (5 + 6)),
        ("rouge_2", 100 * 2 * 1 / (4 + 5)),
        ("rouge_l", 100 * 2 * 4 / (5 + 6)),
    ],
)
def test_rouge_by_hand(name: str, expected: float) -> None:
    value = score(name, "which drugs treat knee pain", "which drug helps to treat pain")
    assert value == pytest.approx(expected)


def test_rouge_takes_the_best_reference() -> None:
    assert score("rouge_l", "knee pain", "something else", "knee pains") == pytest.approx(100)


@given(st.text(max_size=40))
def test_an_answer_equals_itself(text: str) -> None:
    assert score("accuracy", text, text) == 100
    assert normalise_answer(normalise_answer(text)) == normalise_answer(text)


@given(st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), min_size=1, max_size=12))
def test_every_metric_is_full_marks_for_the_reference(words: list[str]) -> None:
    text = " ".join(words)
    for name, metric in METRICS.items():
        if name not in ("cider", "rouge_2"):
            assert metric.score([text], [[text]])[0] == pytest.approx(100)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_metric_names_itself_and_gives_one_value_per_sample(name: str) -> None:
    metric = METRICS[name]
    values = metric.score(["a b", "c", ""], [["a b"], ["d", "c"], ["e"]])
    assert metric.name == name
    assert metric.version and metric.definition.endswith(".")
    assert values.shape == (3,) and values.dtype == np.float64
    assert (values >= 0).all() and (values <= (1000 if name == "cider" else 100)).all()


def test_unknown_metric_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="vqa_accuracy"):
        find_metric("vqa_acuracy")
