"""DeepLesion: DL_info.csv, a line per lesion, and its slices as 16-bit PNG.

A slice lies in Images_png/<series>/<slice>.png, or in Key_slices/ under its whole name. Its values
are Hounsfield units with 32768 added; the line says which window of them the radiologist saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.cards import Card
from components.readers.boxes import as_box, read_labels
from components.readers.columns import ExpectedColumns
from components.readers.csv_rows import read_csv_records
from components.readers.files import MISSING, locate
from components.readers.images import BadImage, window_image
from components.readers.values import BadValue, as_text
from components.records import OUTSIDE, RawRow, Reject

HOUNSFIELD_OFFSET = 32768
UNKNOWN_TYPE = "-1"
COLUMNS = (
    "File_name", "Bounding_boxes", "Coarse_lesion_type", "DICOM_windows", "Patient_index",
    "Train_Val_Test",
)  # fmt: skip
USED = {name: name for name in COLUMNS}
Lesion = tuple[int, Mapping[str, Any]]  # the number of its line, and its columns


def read_deep_lesion_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per slice, with a box for each of its lesions whose type is known.

    Slices without such a lesion are outside the set, and counted. The patient is the group, the
    official part (1 train, 2 validation, 3 test) the category. Raises UserError where the file
    lacks a column or is damaged.
    """
    labels = read_labels(card)
    for path in card.find(root, "lesions"):
        name, expected = path.relative_to(root).as_posix(), ExpectedColumns(USED)
        slices: dict[str, list[Lesion]] = {}
        for number, record in read_csv_records(path, name):
            if isinstance(record, Reject):
                yield record
                continue
            expected.see(record)
            slices.setdefault(str(record.get("File_name")), []).append((number, record))
        expected.check(path, card.name)
        for file, lesions in slices.items():
            origin = f"{name}#{lesions[0][0]}"
            try:
                yield _read_slice(root, file, lesions, labels, origin)
            except (BadValue, BadImage) as bad:
                yield Reject(origin, bad.reason, bad.detail)


def _read_slice(
    root: Path,
    file: str,
    lesions: list[Lesion],
    labels: Mapping[str, str],
    origin: str,
) -> RawRow | Reject:
    boxes, names = [], []
    for _, record in lesions:
        kind = as_text(record.get("Coarse_lesion_type"), "Coarse_lesion_type")
        if kind == UNKNOWN_TYPE:
            continue
        if kind not in labels:
            raise BadValue("unknown-label", f"Coarse_lesion_type is {kind!r}")
        boxes.append(as_box(_split(record, "Bounding_boxes")))
        names.append(labels[kind])
    if not boxes:
        return Reject(origin, OUTSIDE, "none of its lesions has a type")
    image = _find_slice(file, root, origin)
    if isinstance(image, Reject):
        return image
    first = lesions[0][1]
    return RawRow(
        id=Path(file).stem,
        split="train",
        fields={"labels": names},
        origin=origin,
        image=window_image(image.read_bytes(), HOUNSFIELD_OFFSET, *_read_window(first)),
        group=as_text(first.get("Patient_index"), "Patient_index"),
        category=str(first.get("Train_Val_Test") or ""),
        boxes=boxes,
    )


def _find_slice(file: str, root: Path, origin: str) -> Path | Reject:
    series, _, number = file.rpartition("_")
    found = locate(f"Images_png/{series}/{number}", root, root, origin)
    if isinstance(found, Reject) and found.reason == MISSING:
        return locate(f"Key_slices/{file}", root, root, origin)
    return found


def _read_window(record: Mapping[str, Any]) -> tuple[float, float]:
    try:
        low, high = map(float, _split(record, "DICOM_windows"))
    except ValueError:
        raise BadValue("bad-window", f"DICOM_windows is {record.get('DICOM_windows')!r}") from None
    if not low < high:
        raise BadValue("bad-window", f"DICOM_windows is {low:g}, {high:g}")
    return low, high


def _split(record: Mapping[str, Any], column: str) -> list[str]:
    return as_text(record.get(column), column).split(",")
