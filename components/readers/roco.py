"""ROCO: captions.txt, with images/<id>.jpg and licences.txt beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from components.cards import Card
from components.readers.columns import ExpectedColumns
from components.readers.csv_rows import read_csv_records
from components.readers.table import read_table_rows
from components.records import OUTSIDE, RawRow, Reject

COLUMNS = {"ROCO_ID": "ROCO_ID", "PMC_ID": "PMC_ID", "CC": "CC"}
Licence = tuple[str, str]  # the article, and the licence of its image


def read_roco_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per caption, as the table reader does, whose image may be used.

    ``options.licences`` lists the licences that are taken, with bars between them; images of
    another are outside the set, and counted; one that licences.txt does not list is a Reject. The
    article is the group: its images lie close together.
    """
    allowed = card.options.get("licences", "").split("|")
    licences: dict[str, Licence] = {}
    for path in card.find(root, "licences"):
        yield from _read_licences(card, path, path.relative_to(root).as_posix(), licences)
    for item in read_table_rows(card, root):
        if isinstance(item, Reject):
            yield item
        elif item.group not in licences:
            yield Reject(item.origin, "missing-licence", f"licences.txt does not list {item.group}")
        elif licences[item.group][1] not in allowed:
            yield Reject(item.origin, OUTSIDE, f"licence {licences[item.group][1]}")
        else:
            article = licences[item.group][0]
            yield replace(item, group=article, documents=[article])


def _read_licences(
    card: Card, path: Path, name: str, licences: dict[str, Licence]
) -> Iterator[Reject]:
    expected = ExpectedColumns(COLUMNS)
    for _, record in read_csv_records(path, name):
        if isinstance(record, Reject):
            yield record
            continue
        expected.see(record)
        article = str(record.get("PMC_ID") or "").partition("_")[0]
        licences[str(record.get("ROCO_ID"))] = article, str(record.get("CC") or "none")
    expected.check(path, card.name)
