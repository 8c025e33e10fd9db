"""Raw values made plain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.readers.values import (
    BadValue,
    as_answer,
    as_attribute,
    as_group,
    as_label,
    as_modality,
    as_question_kind,
    as_text,
    pick,
)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("sex", "F", "female"), ("sex", "Male", "male"), ("sex", "N/A", ""), ("sex", None, ""),
        ("sex", "other", ""), ("sex", "missing", ""), ("age", "43", "40 to 64"),
        ("age", 17, "under 18"), ("age", "0", ""),
        ("age", 0.0, ""), ("age", "999", ""), ("age", "414", ""), ("age", "120", "65 and over"),
        ("age", "200 days", "under 18"), ("age", "18 mo", "under 18"),
        ("age", "20-month-old", "under 18"), ("age", "40-44 years", "40 to 64"),
        ("age", "043Y", "40 to 64"), ("age", "011M", "under 18"), ("age", "30 weeks", "under 18"),
        ("age", "20.5 weeks", "under 18"), ("age", "85+ years", "65 and over"),
        ("age", "00 years", "under 18"), ("age", "adult", ""),
        ("age", 64.5, "40 to 64"), ("age", float("nan"), ""), ("age", "65", "65 and over"),
        ("location", "Brain_Tissue", "brain tissue"), ("view", " PA ", "pa"), ("view", "n/a", ""),
    ],
)  # fmt: skip
def test_attributes_are_words_that_records_share(name: str, value: Any, words: str) -> None:
    assert as_attribute(name, value) == words


@pytest.mark.parametrize(("value", "text"), [(" a b ", "a b"), (3, "3"), (2.5, "2.5"), ("0", "0")])
def test_text_and_numbers_are_text(value: Any, text: str) -> None:
    assert as_text(value, "answer") == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, "missing-answer"), ("", "empty-answer"), (" \t", "empty-answer"),
     (float("nan"), "missing-answer"), (float("inf"), "missing-answer"),
     (True, "wrong-type"), ([], "wrong-type"), ({"a": 1}, "wrong-type")],
)  # fmt: skip
def test_what_is_not_text_says_why(value: Any, reason: str) -> None:
    with pytest.raises(BadValue) as raised:
        as_text(value, "answer")
    assert raised.value.reason == reason


def test_what_a_table_leaves_empty_is_nothing() -> None:
    assert pick({"a": float("nan"), "b": 0}, "a") is None
    assert pick({"a": float("nan"), "b": 0}, "a|b") == 0


def test_half_a_character_does_not_break_a_group() -> None:
    assert len(as_group("\ud800" * 70)) == 16


def test_labels_are_answers_of_the_card() -> None:
    assert as_label(0, "label", {"0": "normal"}) == "normal"
    with pytest.raises(BadValue, match="unknown-label"):
        as_label(2, "label", {"0": "normal"})


@pytest.mark.parametrize(
    ("value", "answer", "kind"),
    [("OPEN", "x", "open"), ("CLOSED ", "x", "closed"), (" closed", "left", "closed"),
     (None, "Yes", "closed"), ("", "no", "closed"), ("OTHER", "liver", "open"),
     (7, "yes", "closed")],
)  # fmt: skip
def test_open_and_closed(value: Any, answer: str, kind: str) -> None:
    assert as_question_kind(value, answer) == kind


@pytest.mark.parametrize(
    ("value", "expected"),
    [("X-Ray", "xray"), ("CT", "ct"), ("MRI", "mr"), ("MR", "mr"), ("Sonar", "d"), (None, "d")],
)
def test_modalities_in_our_words(value: Any, expected: str) -> None:
    assert as_modality(value, "d") == expected


def test_pick_steps_and_falls_back() -> None:
    record = {"a": {"b c": 1}, "x": None, "y": 2}
    assert pick(record, "a.b c") == 1
    assert pick(record, "x|y") == 2
    assert pick(record, "a.b.c") is None
    assert pick(record, "nothing") is None
    assert pick({"patient.id": 7, "patient": {"id": 8}}, "patient.id") == 7


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a#b", ["a", "b"]), ("a", "a"), ("lung#", "lung"), (" # lung", "lung")],
)
def test_answers_are_parted_without_what_parts_them(value: str, expected: str | list[str]) -> None:
    assert as_answer(value, "#") == expected


def test_nothing_between_separators_is_no_answer() -> None:
    with pytest.raises(BadValue) as caught:
        as_answer(" # ", "#")
    assert caught.value.reason == "empty-answer"


@given(st.text(), st.text())
def test_groups_are_short_and_keep_apart(one: str, other: str) -> None:
    assert len(as_group(one)) <= 64
    if one.strip() != other.strip():
        assert as_group(one) != as_group(other)


def test_half_of_a_character_is_a_broken_text() -> None:
    with pytest.raises(BadValue) as caught:
        as_text("what \ud83d is", "question")
    assert caught.value.reason == "broken-text"
    assert as_text("\N{MICROSCOPE} \u00b5m", "question") == "\N{MICROSCOPE} \u00b5m"
