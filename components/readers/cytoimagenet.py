"""CytoImageNet: metadata.csv, whose columns path and filename name images in folders by class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from components.cards import Card
from components.readers.columns import ExpectedColumns
from components.readers.csv_rows import read_csv_records
from components.readers.files import MISSING, locate
from components.readers.values import BadValue, as_text
from components.records import RawRow, Reject

USED = {name: name for name in ("path", "filename", "label")}
TOP = "cytoimagenet"  # the authors' folder; what stands before it is of their own machine


def read_cytoimagenet_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per image; its class, a weak label of many kinds, is the category.

    The last folder of a path counts, whether or not ``cytoimagenet`` lies between it and the file
    of metadata. Raises UserError where that lacks a column or is damaged.
    """
    called: set[str] = set()
    for table in card.find(root, "all"):
        name, expected = table.relative_to(root).as_posix(), ExpectedColumns(USED)
        for number, record in read_csv_records(table, name):
            if isinstance(record, Reject):
                yield record
                continue
            expected.see(record)
            origin = f"{name}#{number}"
            try:
                path, file, label = (as_text(record.get(column), column) for column in USED)
            except BadValue as bad:
                yield Reject(origin, bad.reason, bad.detail)
                continue
            place = f"{PurePosixPath(path.replace(chr(92), '/')).name}/{file}"
            found = locate(f"{TOP}/{place}", table.parent, root, origin)
            if isinstance(found, Reject) and found.reason == MISSING:
                found = locate(place, table.parent, root, origin)
            if isinstance(found, Reject):
                yield found
                continue
            stem = Path(file).stem
            own = place if stem in called else stem  # another class may have a file of that name
            called.add(stem)
            yield RawRow(
                id=own,
                split="train",
                fields={},
                origin=origin,
                image=found,
                group=str(record.get("idx") or file),
                category=label,
                modality=card.modality,
            )
        expected.check(table, card.name)
