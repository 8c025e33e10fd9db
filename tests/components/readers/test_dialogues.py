"""Consultations of MedDialog, whole and broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import UserError
from tests.components.readers.conftest import Split

Read = Callable[[str, Path], Split]
RECORD = """id={id}
https://example.org/{id}

Description
{description}

Dialogue
Patient:
{patient}

Doctor:
Hi.  Take
rest.
"""


def consult(number: int, description: str = "Q. What is  it?", patient: str = "It hurts.") -> str:
    return RECORD.format(id=number, description=description, patient=patient)


def write(root: Path, *records: str) -> None:
    (root / "icliniq_dialogue.txt").write_text("\n\n".join(records))


def test_description_and_dialogue_in_one_line_each(tmp_path: Path, read: Read) -> None:
    write(tmp_path, consult(1), consult(2, "Quick help... Q.?"), consult(7))
    rows, rejects = read("icliniq", tmp_path)
    assert rejects == []
    assert [(row.id, row.split) for row in rows] == [
        ("icliniq_dialogue/1", "unsplit"),
        ("icliniq_dialogue/2", "unsplit"),
        ("icliniq_dialogue/3", "unsplit"),
    ]
    assert rows[0].fields == {
        "text": "Patient: It hurts. Doctor: Hi. Take rest.", "summary": "What is it?"
    }  # fmt: skip
    assert rows[1].fields["summary"] == "Quick help... Q.?"
    assert rows[0].group == rows[1].group == rows[2].group


def test_a_later_heading_is_part_of_the_talk(tmp_path: Path, read: Read) -> None:
    write(tmp_path, consult(1, patient="a\n\nDialogue\nb"))
    rows, rejects = read("icliniq", tmp_path)
    assert rejects == []
    assert rows[0].fields["text"] == "Patient: a Dialogue b Doctor: Hi. Take rest."


def test_an_id_inside_a_text_begins_no_record(tmp_path: Path, read: Read) -> None:
    write(tmp_path, consult(1, patient="My\nid=5 card\nsays id=6"), consult(2))
    rows, rejects = read("icliniq", tmp_path)
    assert (len(rows), rejects) == (2, [])
    assert "id=5 card says id=6" in str(rows[0].fields["text"])


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (consult(2, ""), "empty-summary"),
        (consult(2, "Q. "), "empty-summary"),
        ("id=2\n\nDescription\nQ. x\n", "wrong-parts"),
        ("id=2\n\nDialogue\nx\n\nDescription\ny\n", "wrong-parts"),
        ("id=2\n\nDescription\nx\n\nDialogue\n\n", "empty-text"),
    ],
)
def test_broken_records_are_named_and_the_rest_is_read(
    tmp_path: Path, read: Read, record: str, reason: str
) -> None:
    write(tmp_path, consult(1), record, consult(3))
    rows, rejects = read("icliniq", tmp_path)
    assert [row.id for row in rows] == ["icliniq_dialogue/1", "icliniq_dialogue/3"]
    assert [(r.origin, r.reason) for r in rejects] == [("icliniq_dialogue.txt#2", reason)]
    assert rejects[0].detail.startswith("id=2")


def test_files_of_other_kinds_are_errors_or_named(tmp_path: Path, read: Read) -> None:
    write(tmp_path, "what stands before\n", consult(1))
    rows, rejects = read("icliniq", tmp_path)
    assert (len(rows), [r.reason for r in rejects]) == (1, ["text-before-record"])
    write(tmp_path, "no record")
    with pytest.raises(UserError, match="icliniq_dialogue") as caught:
        read("icliniq", tmp_path)
    assert "id=NUMBER" in caught.value.why
    (tmp_path / "icliniq_dialogue.txt").write_bytes(consult(1, "caf\u00e9").encode("latin-1"))
    with pytest.raises(UserError, match="icliniq_dialogue") as caught:
        read("icliniq", tmp_path)
    assert "UTF-8" in caught.value.why


def test_ids_begin_anew_in_every_file(tmp_path: Path, read: Read) -> None:
    for part in (1, 2):
        (tmp_path / f"healthcaremagic_dialogue_{part}.txt").write_text(consult(1))
    rows, _ = read("healthcaremagic", tmp_path)
    assert [row.id for row in rows] == [
        "healthcaremagic_dialogue_1/1", "healthcaremagic_dialogue_2/1",
    ]  # fmt: skip
