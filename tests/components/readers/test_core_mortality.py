"""Admission notes out of discharge summaries, and CORe's lists of patients."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import UserError
from components.readers.core_mortality import find_admission_text
from components.records import OUTSIDE
from tests.components.readers.conftest import Split

Read = Callable[[str, Path], Split]
NOTE = """Chief Complaint:
Fever

History of Present Illness:
She came
with fever. T was 39:

1. blood was drawn:

Past Medical History:
none

Brief Hospital Course:
The patient died.
"""
Row = tuple[object, ...]


def write(path: Path, columns: tuple[str, ...], rows: list[Row]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def write_tables(root: Path, notes: list[Row], admissions: list[Row]) -> None:
    columns = ("HADM_ID", "CHARTDATE", "CATEGORY", "DESCRIPTION", "TEXT")
    write(root / "NOTEEVENTS.csv", columns, notes)
    columns = ("HADM_ID", "SUBJECT_ID", "ADMISSION_TYPE", "HOSPITAL_EXPIRE_FLAG")
    write(root / "ADMISSIONS.csv", columns, admissions)
    for name, patient in (("train", 1), ("val", 2), ("test", 3)):
        write(root / f"mimic_{name}.csv", ("SUBJECT_ID",), [(patient,), (patient,)])


def summary(stay: object, text: str = NOTE, date: str = "2150-01-01", title: str = "Report") -> Row:
    return (stay, date, "Discharge summary", title, text)


def test_sections_known_at_admission() -> None:
    assert find_admission_text(NOTE) == (
        "CHIEF COMPLAINT: Fever\n\n"
        "PRESENT ILLNESS: She came with fever. T was 39:  1. blood was drawn:\n\n"
        "MEDICAL HISTORY: none\n\n"
        "MEDICATION ON ADMISSION: \n\nALLERGIES: \n\nPHYSICAL EXAM: \n\n"
        "FAMILY HISTORY: \n\nSOCIAL HISTORY: "
    )
    assert find_admission_text("Allergies:\nnone\n\nCourse: well") == ""
    told = find_admission_text("CHIEF COMPLAINT: the patient died at home\n\nAllergies: x\n")
    assert "died" not in told and told.startswith("CHIEF COMPLAINT: the  at home")


def test_a_row_per_admission_in_its_patients_split(tmp_path: Path, read: Read) -> None:
    addendum = summary(100, "Past Medical History:\nasthma\n\nEnd: x\n", "2150-01-02", "Addendum")
    write_tables(
        tmp_path,
        [addendum, summary(100), summary(101), (100, "2150-01-01", "Nursing", "Report", "x")],
        [(100, 1, "EMERGENCY", 1), (101, 3, "URGENT", 0), (102, 2, "URGENT", 0)],
    )
    rows, rejects = read("mimic_iii_mortality", tmp_path)
    assert [(row.id, row.split, row.group, row.fields["label"]) for row in rows] == [
        ("101", "test", "3", "no")
    ]
    assert [(r.origin, r.reason, r.detail) for r in rejects] == [
        ("NOTEEVENTS.csv#2", OUTSIDE, "the same text stands in NOTEEVENTS.csv#3"),
        ("NOTEEVENTS.csv#1", OUTSIDE, "addenda only"),
    ]
    assert rows[0].fields["hypothesis"] == "The patient dies in the hospital."


def test_the_later_of_two_equal_notes_counts_and_addenda_follow(tmp_path: Path, read: Read) -> None:
    other = NOTE.replace("Fever", "Cough")
    addendum = summary(100, "Addendum:\nnone.\n\nAllergies:\ndust\n\nEnd: x\n", "2150-02-01", "A")
    write_tables(
        tmp_path,
        [addendum, summary(100, other), summary(101, other, "2149-01-01")],
        [(100, 1, "EMERGENCY", 1), (101, 3, "URGENT", 0)],
    )
    rows, rejects = read("mimic_iii_mortality", tmp_path)
    assert [(row.id, row.fields["label"]) for row in rows] == [("100", "yes")]
    assert [(r.origin, r.reason) for r in rejects] == [("NOTEEVENTS.csv#3", OUTSIDE)]
    assert "Cough" in str(rows[0].fields["premise"]) and "dust" in str(rows[0].fields["premise"])


def test_what_is_outside_and_what_is_faulty_are_told_apart(tmp_path: Path, read: Read) -> None:
    texts = [NOTE.replace("Fever", word) for word in ("A", "B", "C", "D")]
    write_tables(
        tmp_path,
        [
            summary(100, texts[0]), summary(101, "Course: long\n"), summary(102, texts[1]),
            summary(103, texts[2]), summary(999, texts[3]), summary(100, " "),
        ],
        [
            (100, 1, "NEWBORN", 0), (101, 1, "URGENT", 0), (102, 9, "URGENT", 0),
            (103, 2, "URGENT", 7),
        ],
    )  # fmt: skip
    rows, rejects = read("mimic_iii_mortality", tmp_path)
    assert rows == []
    assert [(r.origin, r.reason, r.detail) for r in rejects] == [
        ("NOTEEVENTS.csv#5", "missing-admission", "HADM_ID is '999'"),
        ("NOTEEVENTS.csv#6", "empty-TEXT", ""),
        ("NOTEEVENTS.csv#1", OUTSIDE, "a newborn"),
        ("NOTEEVENTS.csv#2", OUTSIDE, "no section known at admission"),
        ("NOTEEVENTS.csv#3", "missing-split", "no list names patient 9"),
        (
            "NOTEEVENTS.csv#4",
            "unknown-label",
            "HOSPITAL_EXPIRE_FLAG is '7'; the card knows ['0', '1']",
        ),
    ]


def test_a_patient_in_two_lists_and_a_missing_column(tmp_path: Path, read: Read) -> None:
    write_tables(tmp_path, [summary(100)], [(100, 1, "URGENT", 0)])
    write(tmp_path / "mimic_test.csv", ("SUBJECT_ID",), [(3,), (1,)])
    rows, rejects = read("mimic_iii_mortality", tmp_path)
    assert [row.split for row in rows] == ["train"]
    assert [(r.origin, r.reason) for r in rejects] == [("mimic_test.csv#2", "splits-disagree")]
    write(tmp_path / "ADMISSIONS.csv", ("HADM_ID",), [(100,)])
    with pytest.raises(UserError, match=r"ADMISSIONS\.csv has no column") as caught:
        read("mimic_iii_mortality", tmp_path)
    assert "HADM_ID" in caught.value.why
