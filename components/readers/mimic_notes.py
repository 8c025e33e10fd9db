"""MIMIC-III's notes, NOTEEVENTS.csv.gz: radiology reports as findings and impression."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.cards import Card
from components.readers.columns import ExpectedColumns
from components.readers.csv_rows import read_csv_records
from components.readers.report_sections import find_findings_and_impression
from components.readers.values import BadValue, as_text
from components.records import OUTSIDE, UNSPLIT, RawRow, Reject

USED = {name: name for name in ("ROW_ID", "SUBJECT_ID", "CATEGORY", "ISERROR", "TEXT")}


def read_mimic_report_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per radiology report with findings and impression; the patient is its group.

    Notes of other categories are no part of the set. A report without either section, or that a
    clinician marked as an error, is outside it, and counted. Raises UserError where a file lacks a
    column or is damaged.
    """
    for path in card.find(root, "notes"):
        name, expected = path.relative_to(root).as_posix(), ExpectedColumns(USED)
        for number, record in read_csv_records(path, name):
            if isinstance(record, Reject):
                yield record
                continue
            expected.see(record)
            if str(record.get("CATEGORY")).strip() == "Radiology":
                yield _read_report(record, f"{name}#{number}")
        expected.check(path, card.name)


def _read_report(record: Mapping[str, Any], origin: str) -> RawRow | Reject:
    if str(record.get("ISERROR") or "").strip() == "1":
        return Reject(origin, OUTSIDE, "ISERROR: a clinician marked it as an error")
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
