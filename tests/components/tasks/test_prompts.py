"""Prompts and targets of every kind of task, written by hand after spec and reference."""

from __future__ import annotations

import pytest

from components.tasks.base import Fields, Rendered
from components.tasks.phrasing import (
    as_question,
    clean_caption,
    clean_question,
    num_words_cut,
    remove_punctuation,
)
from components.tasks.registry import TASKS

PROMPTS: list[tuple[str, Fields, Rendered]] = [
    (
        "vqa",
        {"question": "Is the X-ray/CT  normal", "answer": " Yes "},
        Rendered(" is the x ray ct normal?", " yes", ["yes"], prefix=" is the x ray ct normal?"),
    ),
    (
        "vqa",
        {"question": "What organ is this?", "answer": "Liver"},
        Rendered(" what organ is this?", " liver", ["liver"], prefix=" what organ is this?"),
    ),
    (
        "caption",
        {"caption": "No acute (cardio-pulmonary) disease. Heart: normal!"},
        Rendered(
            " what does the image describe?",
            " No acute cardiopulmonary disease Heart normal",
            ["No acute cardiopulmonary disease Heart normal"],
        ),
    ),
    (
        "classify",
        {"label": "Pneumonia "},
        Rendered(" what does the image describe?", " pneumonia", ["pneumonia"]),
    ),
    (
        "understand",
        {"premise": "No chest pain.", "hypothesis": "Patient has Angina.", "label": "no"},
        Rendered(
            ' can text1 " no chest pain. " imply text2 " patient has angina. "?', " no", ["no"]
        ),
    ),
    (
        "understand",
        {"premise": "Sex: Male; Age: 40-44", "hypothesis": "Which drug?", "label": "Drug A "},
        Rendered(' which drug? text1 " sex: male; age: 40 44 "', " drug a", ["drug a"]),
    ),
    (
        "summarize",
        {"text": "SUBJECT: Help-line\nI have a question", "summary": "What is the Dose? "},
        Rendered(
            ' what is the summary of article " subject: help line i have a question "?',
            "what is the dose?",
            ["what is the dose?"],
        ),
    ),
    (
        "answer",
        {"question": "Does it help", "context": "We saw it.", "answer": "Maybe"},
        Rendered(" does it help? context: we saw it.", " maybe", ["maybe"]),
    ),
    (
        "answer",
        {"question": "Which vitamin?", "options": ["Vitamin A", "B-12"], "answer": "B-12"},
        Rendered(
            " which vitamin? options: vitamin a, b-12",
            " b-12",
            ["b-12"],
            candidates=[" vitamin a", " b-12"],
        ),
    ),
    (
        "answer",
        {"question": "T-score?", "options": ["-2.5  SD", "2.5 SD", "1/2 SD"], "answer": "-2.5 SD"},
        Rendered(
            " t score? options: -2.5 sd, 2.5 sd, 1/2 sd",
            " -2.5 sd",
            ["-2.5 sd"],
            candidates=[" -2.5 sd", " 2.5 sd", " 1/2 sd"],
        ),
    ),
    (
        "instruct",
        {"question": "Describe  it.", "answer": "A Scan"},
        Rendered(" describe it.", " a scan", ["a scan"]),
    ),
    (
        "instruct",
        {"history": "what? a lung.", "question": "Which side?", "answer": "Left"},
        Rendered(" which side? earlier: what? a lung.", " left", ["left"]),
    ),
    (
        "instruct",
        {"history": "", "question": "What?", "answer": ["A\nLung.", "Which side?", "Left"]},
        Rendered(" what?", " a lung.\n which side?\n left", ["a lung."]),
    ),
    (
        "detect",
        {"labels": ["Soft-tissue", "liver"]},
        Rendered(
            " what are the objects in the image?", " soft tissue liver", ["soft tissue", "liver"]
        ),
    ),
    ("infill_image", {}, Rendered(" what is the image in the middle part?", "", [])),
    (
        "infill_text",
        {"text": "A Text.\n\nIts end."},
        Rendered(' what is the complete text of " "?', " A Text.\n\nIts end.", []),
    ),
]


@pytest.mark.parametrize(("task", "fields", "expected"), PROMPTS)
def test_golden(task: str, fields: Fields, expected: Rendered) -> None:
    assert TASKS[task].render(fields) == expected


def test_every_kind_of_task_has_a_golden_prompt() -> None:
    assert {task for task, _, _ in PROMPTS} == set(TASKS)
    assert all(name == task.name for name, task in TASKS.items())


@pytest.mark.parametrize(
    ("task", "decoder_prompt", "answer", "needs_image"),
    [
        ("vqa", "question", "candidates", True),
        ("caption", "none", "text", True),
        ("classify", "none", "candidates", True),
        ("understand", "source", "candidates", False),
        ("summarize", "none", "text", False),
        ("answer", "none", "options", False),
        ("instruct", "turns", "text", False),
        ("detect", "none", "text", True),
        ("infill_image", "none", "text", True),
        ("infill_text", "none", "text", False),
    ],
)
def test_how_each_kind_is_answered(
    task: str, decoder_prompt: str, answer: str, needs_image: bool
) -> None:
    kind = TASKS[task]
    assert (kind.decoder_prompt, kind.answer, kind.needs_image) == (
        decoder_prompt,
        answer,
        needs_image,
    )


def test_cleaning_follows_the_reference() -> None:
    assert clean_question("...,Is  it\n a T2-weighted/flair scan ?\n") == (
        "is it a t2 weighted flair scan ?"
    )
    assert clean_caption("The <person> walks") == "the person walks"
    assert clean_question("the <person>") == "the <person>"
    assert clean_question("a b c d", max_words=2) == "a b"
    assert remove_punctuation("A 'b' (c), d!", max_words=3) == "A b c"
    assert as_question("why?") == "why?"


LONG = " ".join(["word-by-word"] * 300)  # 900 words, as the reference counts them


@pytest.mark.parametrize(
    ("task", "fields", "num_cut"),
    [
        ("understand", {"premise": LONG, "hypothesis": LONG, "label": "yes"}, 2 * (900 - 512)),
        ("summarize", {"text": LONG, "summary": "words"}, 900 - 512),
        ("answer", {"question": "why?", "context": LONG, "answer": "yes"}, 900 - 400),
        ("vqa", {"question": LONG, "answer": "yes"}, 900 - 80),
        ("caption", {"caption": LONG}, 300 - 80),
        ("instruct", {"question": LONG, "answer": "yes"}, 900 - 512),
        ("instruct", {"question": "why?", "answer": [LONG, "so?", LONG]}, 2 * (900 - 512)),
        ("summarize", {"text": "short", "summary": "words"}, 0),
    ],
)
def test_words_beyond_a_limit_are_counted(task: str, fields: Fields, num_cut: int) -> None:
    assert TASKS[task].render(fields).num_cut == num_cut


def test_what_is_cut_and_what_is_kept_are_all_words() -> None:
    assert num_words_cut(LONG, 200) + len(clean_question(LONG, 200).split()) == 900
    assert num_words_cut("", 10) == 0
