"""MIMIC-CXR's films, files/p10/p10000032/s50414267/<dicom_id>.jpg, with their study's report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from components.cards import Card
from components.errors import UserError
from components.readers.columns import ExpectedColumns, name_view
from components.readers.csv_rows import read_csv_records
from components.readers.mimic_cxr_reports import SPLITS
from components.readers.pictures import find_picture
from components.readers.report_sections import (
    FindingsImpression,
    find_findings_and_impression,
    list_sections,
)
from components.readers.values import BadValue, as_text
from components.records import OUTSIDE, RawRow, Reject

USED = {name: name for name in ("dicom_id", "study_id", "subject_id", "split")}


def read_mimic_cxr_image_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per image of the split file; the caption is the report's sections, in card order.

    ``options.sections`` lists them (``findings,impression``); the patient is the group, and where
    the metadata file is there, category and view are its ViewPosition (PA, AP, LATERAL). Images of
    a report without any of the sections are outside the set, and counted. Raises UserError where
    the split file lacks a column or is damaged, and for a section that is none of these two.
    """
    sections = _list_sections(card)
    reports = {path.stem[1:]: path for path in card.find(root, "reports")}
    views = dict(_read_views(card, root))
    path = card.find(root, "splits")[0]
    name, expected = path.relative_to(root).as_posix(), ExpectedColumns(USED)
    for number, record in read_csv_records(path, name):
        if isinstance(record, Reject):
            yield record
            continue
        expected.see(record)
        try:
            origin = f"{name}#{number}"
            yield _read_image(
                card, root, record, origin, sections=sections, reports=reports, views=views
            )
        except BadValue as bad:
            yield Reject(f"{name}#{number}", bad.reason, bad.detail)
    expected.check(path, card.name)


def _list_sections(card: Card) -> tuple[str, ...]:
    told = card.options.get("sections", "findings,impression")
    wanted = tuple(list_sections(told.lower()))
    if not wanted or not {*wanted} <= {*FindingsImpression._fields}:
        raise UserError(
            f"data/cards/{card.name}.yaml: options.sections is {told!r}",
            why=f"it is one or more of {', '.join(FindingsImpression._fields)}",
            next_command="mend it in the card",
        )
    return wanted


def _read_views(card: Card, root: Path) -> Iterator[tuple[str, str]]:
    for path in card.find(root, "metadata") if "metadata" in card.files else []:
        for _, record in read_csv_records(path, path.name):
            if not isinstance(record, Reject):  # a view is not worth an image
                yield str(record.get("dicom_id")), str(record.get("ViewPosition") or "")


def _read_image(
    card: Card,
    root: Path,
    record: Mapping[str, Any],
    origin: str,
    *,
    sections: tuple[str, ...],
    reports: Mapping[str, Path],
    views: Mapping[str, str],
) -> RawRow | Reject:
    dicom, study, subject, split = (as_text(record.get(name), name) for name in USED)
    if split not in SPLITS:
        raise BadValue("unknown-split", f"split is {split!r}; known: {', '.join(SPLITS)}")
    if study not in reports:
        raise BadValue("missing-report", f"no report s{study}.txt")
    if reports[study].parent.name != f"p{subject}":
        raise BadValue("patients-disagree", f"the report lies in {reports[study].parent.name}")
    caption = _join_sections(reports[study], sections)
    if not caption:
        return Reject(origin, OUTSIDE, f"s{study}.txt has none of the sections")
    place = f"p{subject[:2]}/p{subject}/s{study}/{dicom}"
    image = find_picture(place, root, root, origin, card.options)
    if isinstance(image, Reject):
        return image
    return RawRow(
        id=dicom,
        split=SPLITS[split],
        fields={"caption": caption},
        origin=origin,
        image=image,
        group=f"p{subject}",
        category=views.get(dicom, ""),
        modality=card.modality,
        attributes=name_view(views.get(dicom)),
    )


@lru_cache(maxsize=64)  # the images of a study stand together
def _join_sections(path: Path, wanted: tuple[str, ...]) -> str:
    try:
        report = find_findings_and_impression(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise BadValue("not-utf-8", str(error)[:200]) from None
    found = report._asdict()
    return " ".join(found[name] for name in wanted if found[name])
