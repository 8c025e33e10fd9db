"""MIMIC-CXR's reports, files/p10/p10000032/s50414267.txt, and the official split by study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.cards import Card
from components.readers.csv_rows import read_csv_records
from components.readers.json_rows import unreadable
from components.readers.report_sections import find_findings_and_impression
from components.records import OUTSIDE, RawRow, Reject

SPLITS = {"train": "train", "validate": "validation", "test": "test"}
COLUMNS = ("study_id", "subject_id", "split")
Study = tuple[str, str]  # the patient's number, and the split


def read_mimic_cxr_report_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per report with findings and impression; the patient is its group.

    A report without either is outside the set, and counted. A report that the split file does not
    list, or lists for another patient, and a study that it lists without a report, are Rejects. So
    is a line that has a study in a second split: the report stays in the first, and in no other.
    Raises UserError where the split file lacks its columns.
    """
    path = card.find(root, "splits")[0]
    studies: dict[str, Study] = {}
    yield from _read_studies(path, path.relative_to(root).as_posix(), studies)
    missing = dict.fromkeys(studies)
    for report in card.find(root, "reports"):
        missing.pop(report.stem[1:], None)
        yield _read_report(report, report.relative_to(root).as_posix(), studies)
    name = path.relative_to(root).as_posix()
    for study in missing:
        yield Reject(f"{name}#{study}", "missing-report", "no report file has this study's number")


def _read_studies(path: Path, name: str, studies: dict[str, Study]) -> Iterator[Reject]:
    """Fill ``studies`` from the file, which has a line per image."""
    for number, record in read_csv_records(path, name):
        if isinstance(record, Reject):
            yield record
            continue
        absent = [column for column in COLUMNS if column not in record]
        if absent:
            raise unreadable(path, f"it has no column {', '.join(absent)}")
        study, subject, split = (str(record[column] or "") for column in COLUMNS)
        if split not in SPLITS:
            detail = f"split is {split!r}; known: {', '.join(SPLITS)}"
            yield Reject(f"{name}#{number}", "unknown-split", detail)
        elif studies.setdefault(study, (subject, SPLITS[split])) != (subject, SPLITS[split]):
            yield Reject(f"{name}#{number}", "splits-disagree", f"study {study} stands elsewhere")


def _read_report(path: Path, name: str, studies: dict[str, Study]) -> RawRow | Reject:
    study, subject = path.stem[1:], path.parent.name[1:]
    origin = f"{name}#{path.stem}"
    if study not in studies:
        return Reject(origin, "missing-split", "the split file does not list this study")
    if studies[study][0] != subject:
        detail = f"the split file says patient {studies[study][0]}"
        return Reject(origin, "patients-disagree", detail)
    try:
        report = find_findings_and_impression(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        return Reject(origin, "not-utf-8", str(error)[:200])
    if not all(report):
        lacks = [field for field, text in report._asdict().items() if not text]
        return Reject(origin, OUTSIDE, f"no {' and no '.join(lacks)}")
    return RawRow(
        id=path.stem,
        split=studies[study][1],
        fields={"text": report.findings, "summary": report.impression},
        origin=origin,
        group=path.parent.name,
    )
