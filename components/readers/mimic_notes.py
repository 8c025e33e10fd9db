"""MIMIC-III's notes, NOTEEVENTS.csv.gz: radiology reports in two parts, or every note as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.cards import Card
from components.readers.columns import ExpectedColumns
from components.readers.csv_rows import read_csv_records
from components.readers.report_sections import HIDDEN, find_findings_and_impression
from components.readers.values import BadValue, as_text
from components.records import OUTSIDE, UNSPLIT, RawRow, Reject

USED = {name: name for name in ("ROW_ID", "SUBJECT_ID", "CATEGORY", "ISERROR", "TEXT")}
EMPTY_LINE = re.compile(r"\n[ \t]*\n")
IN_ERROR = "ISERROR: a clinician marked it as an error"


def read_mimic_report_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per radiology report with findings and impression; the patient is its group.

    Notes of other categories are no part of the set. A report without either section, or that a
    clinician marked as an error, is outside it, and counted. Raises UserError where a file lacks a
    column or is damaged.
    """
    for origin, record in _read_notes(card, root):
        if isinstance(record, Reject):
            yield record
        elif str(record.get("CATEGORY")).strip() == "Radiology":
            yield _read_report(record, origin)


def read_mimic_note_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per note of any category, its text in paragraphs; the patient is its group.

    What was taken out of a note reads ``___``. Notes marked as errors are outside the set, and
    counted. Raises UserError as ``read_mimic_report_rows`` does.
    """
    for origin, record in _read_notes(card, root):
        yield record if isinstance(record, Reject) else _read_note(record, origin)


def _read_notes(card: Card, root: Path) -> Iterator[tuple[str, dict[str, Any] | Reject]]:
    """Each line of the tables with its origin."""
    for path in card.find(root, "notes"):
        name, expected = path.relative_to(root).as_posix(), ExpectedColumns(USED)
        for number, record in read_csv_records(path, name):
            if not isinstance(record, Reject):
                expected.see(record)
            yield f"{name}#{number}", record
        expected.check(path, card.name)


def _read_note(record: Mapping[str, Any], origin: str) -> RawRow | Reject:
    if str(record.get("ISERROR") or "").strip() == "1":
        return Reject(origin, OUTSIDE, IN_ERROR)
    try:
        number, patient, text = (
            as_text(record.get(name), name) for name in ("ROW_ID", "SUBJECT_ID", "TEXT")
        )
    except BadValue as bad:
        return Reject(origin, bad.reason, bad.detail)
    paragraphs = (" ".join(part.split()) for part in EMPTY_LINE.split(HIDDEN.sub("___", text)))
    return RawRow(
        id=number,
        split="train",
        fields={"text": "\n".join(filter(None, paragraphs))},
        origin=origin,
        group=patient,
        category=str(record.get("CATEGORY") or "").strip(),
    )


def _read_report(record: Mapping[str, Any], origin: str) -> RawRow | Reject:
    if str(record.get("ISERROR") or "").strip() == "1":
        return Reject(origin, OUTSIDE, IN_ERROR)
    try:
        number = as_text(record.get("ROW_ID"), "ROW_ID")
        patient = as_text(record.get("SUBJECT_ID"), "SUBJECT_ID")
        report = find_findings_and_impression(as_text(record.get("TEXT"), "TEXT"))
    except BadValue as bad:
        return Reject(origin, bad.reason, bad.detail)
    if not all(report):
        lacks = [field for field, text in report._asdict().items() if not text]
        return Reject(origin, OUTSIDE, f"no {' and no '.join(lacks)}")
    return RawRow(
        id=number,
        split=UNSPLIT,
        fields={"text": report.findings, "summary": report.impression},
        origin=origin,
        group=patient,
    )
