"""Radiology reports of MIMIC-CXR and MIMIC-III, with the quirks that their parsers tell of."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import UserError
from components.readers.report_sections import find_findings_and_impression
from components.records import OUTSIDE
from tests.components.readers.conftest import Split

Read = Callable[[str, Path], Split]
PLAIN = " FINDINGS: \n \n Clear lungs,\n  normal heart.\n \n IMPRESSION: \n \n Normal.\n"


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (PLAIN, ("Clear lungs, normal heart.", "Normal.")),
        (" FINDINGS AND IMPRESSION: Normal.\n", ("", "Normal.")),
        (" CHEST, TWO VIEWS:  Clear.\n IMPRESSON: None.\n", ("Clear.", "None.")),
        (" FINDINGS:\n A.\n PORTABLE CHEST: B.\n CONCLUSION: C.\n", ("A.", "C.")),
        (" FINDINGS: A.\n IMPRESSION: B.\n FINDINGS:\n\n IMPRESSION: C.\n", ("A.", "C.")),
        (" FINDINGS: A\n(Over)\n NAME: X\n(Cont)\n goes.\n IMPRESSION: C.", ("A goes.", "C.")),
        (" FINDINGS: Seen by [**Last\nName**].\n IMPRESSION: ___", ("Seen by ___.", "___")),
        (" The impression: all is well.\n", ("", "")),
        ("", ("", "")),
    ],
)  # fmt: skip
def test_sections(report: str, expected: tuple[str, str]) -> None:
    assert find_findings_and_impression(report) == expected


def write_cxr(root: Path, reports: dict[str, str], lines: list[str]) -> None:
    for name, text in reports.items():
        path = root / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1"))
    table = "\n".join(["dicom_id,study_id,subject_id,split", *lines]) + "\n"
    (root / "mimic-cxr-2.0.0-split.csv.gz").write_bytes(gzip.compress(table.encode()))


def test_mimic_cxr_rows_with_their_official_split(tmp_path: Path, read: Read) -> None:
    write_cxr(
        tmp_path,
        {
            "p10/p10000001/s50000001.txt": PLAIN,
            "p10/p10000001/s50000002.txt": " FINDINGS: Only this.\n",
            "p11/p11000001/s50000003.txt": PLAIN,
        },
        [
            "a,50000001,10000001,train", "b,50000001,10000001,train",
            "c,50000002,10000001,train", "d,50000003,11000001,validate",
        ],
    )  # fmt: skip
    rows, rejects = read("mimic_cxr_summary", tmp_path)
    assert [(row.id, row.split, row.group) for row in rows] == [
        ("s50000001", "train", "p10000001"), ("s50000003", "validation", "p11000001"),
    ]  # fmt: skip
    assert rows[0].fields == {"text": "Clear lungs, normal heart.", "summary": "Normal."}
    assert rows[0].origin == "files/p10/p10000001/s50000001.txt#s50000001"
    assert [(r.reason, r.detail) for r in rejects] == [(OUTSIDE, "no impression")]


def test_mimic_cxr_files_that_disagree_are_named(tmp_path: Path, read: Read) -> None:
    write_cxr(
        tmp_path,
        {
            "p10/p10000001/s50000001.txt": PLAIN,
            "p10/p10000001/s50000004.txt": PLAIN,
            "p11/p11000001/s50000005.txt": PLAIN + "\xe9",
        },
        [
            "a,50000001,10000009,train", "b,50000005,11000001,test", "c,50000005,11000001,train",
            "d,50000006,11000001,later", "e,50000007,11000001,test",
        ],
    )  # fmt: skip
    rows, rejects = read("mimic_cxr_summary", tmp_path)
    split_file = "mimic-cxr-2.0.0-split.csv.gz"
    assert rows == []
    assert [(r.origin.rpartition("/")[2], r.reason) for r in rejects] == [
        (f"{split_file}#3", "splits-disagree"),
        (f"{split_file}#4", "unknown-split"),
        ("s50000001.txt#s50000001", "patients-disagree"),
        ("s50000004.txt#s50000004", "missing-split"),
        ("s50000005.txt#s50000005", "not-utf-8"),
        (f"{split_file}#50000007", "missing-report"),
    ]


def test_a_split_file_of_another_kind_is_an_error(tmp_path: Path, read: Read) -> None:
    write_cxr(tmp_path, {"p10/p10000001/s50000001.txt": PLAIN}, [])
    (tmp_path / "mimic-cxr-2.0.0-split.csv.gz").write_bytes(gzip.compress(b"study_id,fold\n1,2\n"))
    with pytest.raises(UserError, match="split") as caught:
        read("mimic_cxr_summary", tmp_path)
    assert "no column subject_id, split" in caught.value.why


COLUMNS = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "CATEGORY", "ISERROR", "TEXT")


def write_notes(root: Path, *rows: tuple[object, ...], columns: tuple[str, ...] = COLUMNS) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows([columns, *rows])
    (root / "NOTEEVENTS.csv.gz").write_bytes(gzip.compress(buffer.getvalue().encode()))


def test_mimic_iii_takes_radiology_notes_with_both_sections(tmp_path: Path, read: Read) -> None:
    write_notes(
        tmp_path,
        (1, 7, 100, "Radiology", "", PLAIN),
        (2, 7, 100, "Nursing", "", PLAIN),
        (3, 8, "", "Radiology", "1", PLAIN),
        (4, 8, "", "Radiology ", "", "Wet read.\n"),
        (5, "", "", "Radiology", "", PLAIN),
        (6, 9, "", "Radiology", "", ""),
        (7, 9, "", "Radiology", "", PLAIN, "more"),
    )
    rows, rejects = read("mimic_iii_summary", tmp_path)
    assert [(row.id, row.split, row.group) for row in rows] == [("1", "unsplit", "7")]
    assert [(r.origin, r.reason) for r in rejects] == [
        ("NOTEEVENTS.csv.gz#3", OUTSIDE),
        ("NOTEEVENTS.csv.gz#4", OUTSIDE),
        ("NOTEEVENTS.csv.gz#5", "missing-SUBJECT_ID"),
        ("NOTEEVENTS.csv.gz#6", "missing-TEXT"),
        ("NOTEEVENTS.csv.gz#7", "wrong-number-of-cells"),
    ]


def test_another_table_of_mimic_iii_is_an_error(tmp_path: Path, read: Read) -> None:
    write_notes(tmp_path, (1, 2), columns=("ROW_ID", "SUBJECT_ID"))
    with pytest.raises(UserError, match="NOTEEVENTS") as caught:
        read("mimic_iii_summary", tmp_path)
    assert "ROW_ID, SUBJECT_ID" in caught.value.why
