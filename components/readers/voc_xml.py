"""Boxes as Pascal VOC's XML: a file per image, with the image's name, and an object per box.

The image is the one with the XML's own name: those inside are wrong at times (in OIA-DDR's
007-18894-100.xml, for one), as are objects that stand there twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from lxml import etree

from components.cards import Card
from components.readers.boxes import as_box, read_labels
from components.readers.files import group_by_stem, name_apart, pick_by_stem
from components.readers.json_rows import unreadable
from components.readers.values import BadValue
from components.readers.xml_trees import parse_xml
from components.records import OUTSIDE, Box, RawRow, Reject

SIDES = ("xmin", "ymin", "xmax", "ymax")


def read_voc_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per file with objects, each of them once.

    A file without objects is outside the set, and counted. Raises UserError where no file can be
    parsed.
    """
    labels, images = read_labels(card), group_by_stem(card.find(root, "images"))
    paths = {path.relative_to(root).as_posix(): path for path in card.find(root, "boxes")}
    called = name_apart({n: f"{path.parent.name}/{path.stem}" for n, path in paths.items()})
    num_parsed = 0
    for name, path in paths.items():
        origin = f"{name}#{path.stem}"
        try:
            objects = _read_objects(path, labels)
        except etree.XMLSyntaxError as error:
            yield Reject(origin, "broken-xml", str(error)[:200])
            continue
        except BadValue as bad:
            num_parsed += 1
            yield Reject(origin, bad.reason, bad.detail)
            continue
        num_parsed += 1
        if not objects:
            yield Reject(origin, OUTSIDE, "no object is marked")
            continue
        image = pick_by_stem(images, path.stem, origin)
        if isinstance(image, Reject):
            yield image
        else:
            yield RawRow(
                id=called[name],
                split="train",
                fields={"labels": [label for _, label in objects]},
                origin=origin,
                image=image,
                group=path.stem,
                category=path.parent.name,
                modality=card.modality,
                boxes=[box for box, _ in objects],
            )
    if not num_parsed:
        raise unreadable(next(iter(paths.values())), f"none of the {len(paths)} files is XML")


def _read_objects(path: Path, labels: Mapping[str, str]) -> list[tuple[Box, str]]:
    found: list[tuple[Box, str]] = []
    for node in parse_xml(path.read_bytes()).iter("object"):
        raw = (node.findtext("name") or "").strip().lower()
        if raw not in labels:
            raise BadValue("unknown-label", f"{raw!r}; the card knows {', '.join(labels)}")
        box = as_box([node.findtext(f"bndbox/{side}") for side in SIDES])
        if (box, labels[raw]) not in found:
            found.append((box, labels[raw]))
    return found
