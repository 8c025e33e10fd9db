"""Open-i radiology reports: one XML per report, naming its images; one row per image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from lxml import etree

from components.cards import Card
from components.readers.columns import name_view
from components.readers.csv_rows import read_csv_records
from components.readers.files import group_by_stem, name_apart, pick_by_stem
from components.readers.json_rows import unreadable
from components.readers.report_sections import list_sections
from components.readers.xml_trees import parse_xml
from components.records import UNSPLIT, RawRow, Reject

NEAR = 0.8  # of SequenceMatcher's ratio: FINDNGS is 0.93 FINDINGS, COMPARISON 0.6 IMPRESSION


def read_openi_xml_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per image of each report; the caption is the report's sections, in card order.

    ``options.sections`` lists the sections (by default FINDINGS, then IMPRESSION). A report is a
    group: its images share their caption. Reports without text or without an image are Rejects, and
    so is one with a label that is nearly that of a section which it lacks.
    The XML tells no image's view; where ``indiana_projections.csv`` lies beside, it does.
    Raises UserError when no report can be parsed.
    """
    wanted = list_sections(card.options.get("sections", "FINDINGS,IMPRESSION").upper())
    images, views = group_by_stem(card.find(root, "images")), dict(_read_views(card, root))
    paths = {path.relative_to(root).as_posix(): path for path in card.find(root, "reports")}
    called, num_parsed = name_apart({name: path.stem for name, path in paths.items()}), 0
    for name, path in paths.items():
        try:
            report = parse_xml(path.read_bytes())
        except etree.XMLSyntaxError as error:
            yield Reject(name, "broken-xml", str(error)[:200])
            continue
        num_parsed += 1
        for item in _read_report(card, report, wanted, images, name, report_id=called[name]):
            view = views.get(item.origin.rpartition("#")[2])
            yield replace(item, attributes=name_view(view)) if isinstance(item, RawRow) else item
    if not num_parsed:
        raise unreadable(next(iter(paths.values())), f"none of the {len(paths)} reports is XML")


def _read_views(card: Card, root: Path) -> Iterator[tuple[str, str]]:
    """Each image's name in the XML, and its view: ``1_IM-0001-4001.dcm.png`` of report 1 is
    ``CXR1_1_IM-0001-4001`` there."""
    for path in card.find(root, "projections") if "projections" in card.files else []:
        for _, record in read_csv_records(path, path.name):
            if not isinstance(record, Reject):  # a view is not worth an image
                stem = str(record.get("filename")).partition(".")[0]
                yield f"CXR{record.get('uid')}_{stem}", str(record.get("projection") or "")


def _find_mistyped(sections: Mapping[str, str], wanted: list[str]) -> str:
    """Words on a label that is nearly one that is wanted and not there; "" where there is none.

    Without that section the rest of the report would be learnt as the whole of it.
    """
    absent = [label for label in wanted if not sections.get(label)]
    for label, text in sections.items():
        near = get_close_matches(label, absent, 1, NEAR) if text and label not in wanted else []
        if near:
            return f"Label is {label!r}, and none is {near[0]}"
    return ""


def _read_report(
    card: Card,
    report: etree._Element,
    wanted: list[str],
    images: Mapping[str, list[Path]],
    name: str,
    *,
    report_id: str,
) -> Iterator[RawRow | Reject]:
    sections = {
        (node.get("Label") or "").strip().upper(): " ".join(
            "".join(map(str, node.itertext())).split()
        )
        for node in report.iter("AbstractText")
    }
    caption = " ".join(sections[label] for label in wanted if sections.get(label))
    names = [node.get("id") or "" for node in report.iter("parentImage")]
    if strange := _find_mistyped(sections, wanted):
        yield Reject(name, "mistyped-section", strange)
        return
    if not caption:
        yield Reject(name, "empty-caption", f"no text under {', '.join(wanted)}")
        return
    if not names:
        yield Reject(name, "no-image", "the report names no image")
        return
    for image in names:
        origin = f"{name}#{image}"
        found = pick_by_stem(images, image, origin)
        if isinstance(found, Reject):
            yield found
            continue
        yield RawRow(
            id=f"{report_id}/{image}",
            split=UNSPLIT,
            fields={"caption": caption},
            origin=origin,
            image=found,
            group=report_id,
            modality=card.modality,
        )
