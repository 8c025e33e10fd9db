"""Open-i radiology reports: as XML, or as the two tables that are handed on in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.cards import Card
from components.readers.columns import ExpectedColumns, name_view
from components.readers.csv_rows import read_csv_records
from components.readers.files import MISSING, locate
from components.readers.openi_xml import read_openi_xml_rows
from components.readers.report_sections import list_sections
from components.readers.values import BadValue, as_text
from components.records import UNSPLIT, RawRow, Reject

PROJECTIONS = {name: name for name in ("uid", "filename", "projection")}


def read_openi_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per image, from whichever layout lies there.

    Tables: ``indiana_reports.csv``, a report per row, and ``indiana_projections.csv``, an image
    per row, whose view (frontal, lateral) is the category, too. The rest is as for the XML, see
    ``read_openi_xml_rows``: the report is the group. Raises UserError where a table lacks a column,
    that of a section among them.
    """
    path = card.find(root, "reports")[0]
    if path.suffix.lower() != ".csv":
        yield from read_openi_xml_rows(card, root)
        return
    wanted = list_sections(card.options.get("sections", "FINDINGS,IMPRESSION").lower())
    captions: dict[str, str] = {}
    yield from _read_reports(card, path, root, wanted, captions)
    folders = sorted({image.parent for image in card.find(root, "images")})
    role = card.files.get("projections")
    tables = card.find(root, "projections") if role else []
    if not tables:
        patterns = role.patterns if role else ["indiana_projections.csv"]
        raise card.missing([root / pattern for pattern in patterns], "projections")
    name, expected = tables[0].relative_to(root).as_posix(), ExpectedColumns(PROJECTIONS)
    for number, record in read_csv_records(tables[0], name):
        if isinstance(record, Reject):
            yield record
            continue
        expected.see(record)
        origin = f"{name}#{number}"
        yield _read_image(card, root, record, origin, folders=folders, captions=captions)
    expected.check(tables[0], card.name)


def _read_reports(
    card: Card, path: Path, root: Path, wanted: list[str], captions: dict[str, str]
) -> Iterator[Reject]:
    """Fill ``captions`` by report; a report without text has an empty one."""
    columns = {"uid": "uid"} | {f"sections {section}": section for section in wanted}
    name, expected = path.relative_to(root).as_posix(), ExpectedColumns(columns)
    for _, record in read_csv_records(path, name):
        if isinstance(record, Reject):
            yield record
            continue
        expected.see(record)
        texts = [" ".join(str(record.get(section) or "").split()) for section in wanted]
        captions[str(record.get("uid"))] = " ".join(text for text in texts if text)
    expected.check(path, card.name)


def _read_image(
    card: Card,
    root: Path,
    record: Mapping[str, Any],
    origin: str,
    *,
    folders: list[Path],
    captions: Mapping[str, str],
) -> RawRow | Reject:
    try:
        uid, file = as_text(record.get("uid"), "uid"), as_text(record.get("filename"), "filename")
    except BadValue as bad:
        return Reject(origin, bad.reason, bad.detail)
    if not captions.get(uid):
        reason = "empty-caption" if uid in captions else "missing-report"
        return Reject(origin, reason, f"report {uid}")
    image: Path | Reject = Reject(origin, MISSING, file)
    for folder in folders:
        image = locate(file, folder, root, origin)
        if isinstance(image, Path) or image.reason == "path-outside":
            break
    if isinstance(image, Reject):
        return image
    return RawRow(
        id=f"{uid}/{Path(file).name}",
        split=UNSPLIT,
        fields={"caption": captions[uid]},
        origin=origin,
        image=image,
        group=uid,
        category=str(record.get("projection") or "").strip().lower(),
        modality=card.modality,
        attributes=name_view(record.get("projection")),
    )
