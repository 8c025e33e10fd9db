"""MediCaT: one JSON object per figure, and figures/<pdf_hash>_<fig_uri>."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.cards import Card
from components.readers.files import locate
from components.readers.json_rows import read_json_records
from components.readers.values import BadValue, as_text
from components.records import OUTSIDE, RawRow, Reject

FIGURES = "figures"


def read_medicat_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per figure; the article is the group.

    The caption is what follows the first full stop of ``s2_caption``, as the reference takes it to
    drop "Figure 4."; of "Fig. 4. Axial CT." that leaves "4. Axial CT.". Figures whose caption ends
    there are outside the set, and counted.
    """
    for path in card.find(root, "train"):
        name = path.relative_to(root).as_posix()
        for number, record in read_json_records(path, name):
            if isinstance(record, Reject):
                yield record
                continue
            try:
                yield _read_figure(card, root, path, record, f"{name}#{number}")
            except BadValue as bad:
                yield Reject(f"{name}#{number}", bad.reason, bad.detail)


def _read_figure(
    card: Card, root: Path, path: Path, record: Mapping[str, Any], origin: str
) -> RawRow | Reject:
    article, figure = (as_text(record.get(key), key) for key in ("pdf_hash", "fig_uri"))
    caption = as_text(record.get("s2_caption"), "s2_caption").partition(".")[2].strip()
    if not caption:
        return Reject(origin, OUTSIDE, "nothing follows the first full stop of s2_caption")
    image = locate(f"{article}_{figure}", path.parent / FIGURES, root, origin)
    if isinstance(image, Reject):
        return image
    return RawRow(
        id=f"{article}_{Path(figure).stem}",
        split="train",
        fields={"caption": caption},
        origin=origin,
        image=image,
        group=article,
        category="radiology" if record.get("radiology") is True else "",
        modality=card.modality,
    )
