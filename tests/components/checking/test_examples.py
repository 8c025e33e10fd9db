"""What a data set's examples show together: repeats, leaks, imbalance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cards import Card, load_card
from components.checking.dataset import _examine_reading
from components.checking.examples import Finding, examine_examples, refuse_errors
from components.config import load_params
from components.errors import UserError
from components.examples import Prepared
from components.records import Example, Reject

ROOT = Path(__file__).resolve().parents[3]


def card(name: str = "pneumoniamnist") -> Card:
    return load_card(name, ROOT / "data/cards")


def make(number: int, target: str, split: str = "train", **changes: str) -> Example:
    """An example of its own image and group."""
    values = {"image_id": f"i{number}", "group": f"g{number}", "source": " what is it?"} | changes
    return Example(
        id=str(number), dataset="d", task="classify", split=split, target=f" {target}",
        origin=f"rows#{number}", **values,
    )  # fmt: skip


SOUND = [make(i, ("normal", "pneumonia")[i % 2], "test" if i > 7 else "train") for i in range(10)]


def words(examples: list[Example], level: str, name: str = "pneumoniamnist") -> list[str]:
    return [f.words for f in examine_examples(card(name), examples) if f.level == level]


def test_a_sound_set_has_no_finding() -> None:
    assert examine_examples(card(), SOUND) == []


def test_one_answer_only_cannot_be_trained_on() -> None:
    (told,) = words([make(i, "normal") for i in range(5)], "error")
    assert "every training example has the answer 'normal'" in told


@pytest.mark.parametrize("name", ["iu_xray", "meqsum", "medmcqa"])
def test_free_texts_and_options_need_no_balance(name: str) -> None:
    assert words([make(i, "the same") for i in range(5)], "error", name) == []


def test_a_class_without_an_example_is_told() -> None:
    rows = [make(i, ("normal", "other")[i % 2]) for i in range(8)]
    assert words(rows, "warning") == ["no training example has the answer 'pneumonia'"]


def test_an_attribute_that_no_record_tells_is_told() -> None:
    """Else a mistyped column would leave the score undivided, and none would know."""
    rows = [
        replace(make(i, ("yes", "no")[i % 2]), attributes={"location": "chest"} if i else {})
        for i in range(6)
    ]
    told = examine_examples(card("vqa_rad"), rows)
    assert told == [
        Finding("warning", "no record tells question, which the card takes from 'question_type'")
    ]
    assert examine_examples(card("vqa_rad"), []) == []


def test_a_class_that_nearly_all_have_is_told() -> None:
    rows = [make(i, "pneumonia" if i == 0 else "normal") for i in range(20)]
    assert words(rows, "warning") == ["95% of the training examples have the answer 'normal'"]


def test_repeats_and_contradictions_are_told_with_their_rows() -> None:
    rows = [*SOUND, make(20, "normal", image_id="i0"), make(21, "pneumonia", image_id="i0")]
    assert words(rows, "warning") == [
        "1 training examples repeat another one, the first: rows#20 and rows#0",
        "1 training examples answer a question otherwise than another one does, "
        "the first: rows#21 and rows#0",
    ]


def test_what_was_measured_tells_items_apart() -> None:
    def course(number: int, level: float, target: str, split: str = "train") -> Example:
        plain = make(number, target, split, image_id="")
        return replace(plain, signal=[level, level + 1])

    rows = [course(i, i, ("normal", "pneumonia")[i % 2], "test" if i > 7 else "train")
            for i in range(10)]  # fmt: skip
    assert words(rows, "warning") == []
    copied = [*rows, course(20, 1, "pneumonia"), course(21, 2, "normal", "test")]
    repeated, leaked = words(copied, "warning")
    assert repeated.startswith("1 training examples repeat another one")
    assert leaked.startswith("1 of 3 test examples stand in train with the same answer")


def test_leaks_into_test_are_told_by_what_is_shared() -> None:
    rows = [
        *SOUND,
        make(30, "normal", "test", image_id="i0"),
        make(31, "pneumonia", "test", image_id="i0"),
        make(32, "normal", "test", group="g1"),
    ]
    assert words(rows, "warning") == [
        "1 of 5 test examples stand in train with the same answer, the first is rows#30",
        "2 of 5 test examples show an image of train, the first is rows#30",
        "1 of 5 test examples share their group (a patient, a document) with train, "
        "the first is rows#32",
    ]


def test_texts_without_image_share_no_image() -> None:
    rows = [make(i, "yes" if i % 2 else "no", s, image_id="", source=f" {i}?")
            for i, s in enumerate(["train"] * 4 + ["test"] * 2)]  # fmt: skip
    assert not [text for text in words(rows, "warning", "mednli") if "image" in text]


def test_errors_come_first_and_are_refused() -> None:
    rows = [make(i, "normal") for i in range(3)] + [make(9, "normal", image_id="i0")]
    findings = examine_examples(card(), rows)
    assert findings[0].level == "error"
    with pytest.raises(UserError, match="d: the data cannot be trained on") as caught:
        refuse_errors(findings, "d")
    assert "repeat" not in caught.value.why
    refuse_errors([Finding("warning", "w")], "d")


@given(st.permutations(SOUND))
def test_the_order_of_rows_does_not_make_a_fault(rows: list[Example]) -> None:
    assert examine_examples(card(), rows) == []


def test_a_check_and_prepare_draw_one_line_for_what_is_unusable() -> None:
    """0.29 * 100 is below 29 in floating point: a product would judge otherwise than a quotient."""
    params = load_params(ROOT / "params.yaml")
    settings = params.prepare.model_copy(update={"max_quarantined": 0.29})
    params = params.model_copy(update={"prepare": settings})
    for num, is_told in ((29, False), (30, True)):
        prepared = Prepared(rejects=[Reject("o", "missing-label")] * num, num_in=100)
        found = _examine_reading(card(), prepared, params)
        assert any("unusable" in finding.words for finding in found) == is_told
