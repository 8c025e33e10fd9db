"""Metrics say what their definitions say, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import UserError
from components.evaluation.metrics import (
    METRICS,
    REFERENCE_METRICS,
    find_metric,
    find_reference_metric,
    normalise_answer,
)


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
        ("", "", 0),
        (" .", "...", 0),
        (".5 mm", "5 mm", 0),
        ("0.5 mm.", "0.5 mm", 100),
        ("Me\u0301nie\u0300re", "m\u00e9ni\u00e8re", 100),
    ],
)
def test_exact_match_looks_at_the_whole_answer(
    name: str, prediction: str, reference: str, expected: float
) -> None:
    assert score(name, prediction, reference) == expected


@pytest.mark.parametrize("name", ["vqa_accuracy_paper", "token_f1", "token_recall", "rouge_l"])
def test_no_inside_normal_is_not_a_no(name: str) -> None:
    assert score(name, "normal", "no") == score(name, "no", "normal") == 0
    assert score(name, "nodule", "no") == 0


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [("yes", 100), (" yes ", 100), ("Yes", 0), ("yes.", 0), ("", 0), ("no", 0)],
)
def test_the_paper_s_match_is_letter_by_letter(prediction: str, expected: float) -> None:
    assert score("vqa_accuracy_paper", prediction, "yes") == expected


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
    ("prediction", "reference", "expected"),
    [
        ("in the left lung", "left lung", 100),
        ("left", "left lung", 50),
        ("left left", "left lung", 50),
        ("", "", 100),
        ("", "left", 0),
        ("left", "", 0),
    ],
)
def test_token_recall_by_hand(prediction: str, reference: str, expected: float) -> None:
    assert score("token_recall", prediction, reference) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        # precision = recall = 1, one chunk of four words: 1 - 0.5 (1/4)^3
        ("the heart is normal", "the heart is normal", 100 * (1 - 0.5 / 64)),
        # a stem counts as a word: lungs, lung
        ("clear lungs", "clear lung", 100 * (1 - 0.5 / 8)),
        # one of two words: precision 1/2, recall 1/3; one chunk of one match
        ("clear heart", "the clear lung", 100 * 0.5 * (1 / 6) / (0.9 / 2 + 0.1 / 3)),
        # a synonym is not known
        ("large", "big", 0),
        ("", "big", 0),
    ],
)
def test_meteor_by_hand(prediction: str, reference: str, expected: float) -> None:
    assert score("meteor_exact_stem", prediction, reference) == pytest.approx(expected)


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
    assert score("accuracy", text, text) == 100 * bool(normalise_answer(text))
    assert normalise_answer(normalise_answer(text)) == normalise_answer(text)


@given(st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), min_size=1, max_size=12))
def test_every_metric_is_full_marks_for_the_reference(words: list[str]) -> None:
    text = " ".join(words)
    for name, metric in METRICS.items():  # CIDEr, METEOR and pairs need more than one text or word
        if not name.startswith(("cider", "meteor", "rouge_2")):
            assert metric.score([text], [[text]])[0] == pytest.approx(100)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_metric_names_itself_and_gives_one_value_per_sample(name: str) -> None:
    metric = METRICS[name]
    values = metric.score(["a b", "c", ""], [["a b"], ["d", "c"], ["e"]])
    assert metric.name == name
    assert metric.version and metric.definition.endswith(".")
    assert values.shape == (3,) and values.dtype == np.float64
    most = 1000 if metric.unit == "x100" else 100
    assert (values >= 0).all() and (values <= most + 1e-9).all()


def test_what_reproduces_the_reference_s_scripts_says_why_it_differs() -> None:
    assert find_reference_metric("vqa", "vqa_accuracy") is METRICS["vqa_accuracy_paper"]
    assert find_reference_metric("classify", "accuracy") is None
    for (_, clean), name in REFERENCE_METRICS.items():
        assert METRICS[name].differs and METRICS[name].unit == METRICS[clean].unit
        assert METRICS[name].title.endswith("(paper's way)")


def test_unknown_metric_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="vqa_accuracy"):
        find_metric("vqa_acuracy")
