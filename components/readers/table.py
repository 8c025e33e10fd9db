"""Records in columns: JSON, CSV, Excel, Parquet and others; the card says which column is which.

Options of a card with ``reader: table``: a task field's name gives its column (by default the
field's own name). Beyond these: ``image`` (column) and the options of ``pictures.find_picture``,
``frames`` (column: a list of images in the order of time, in place of one), ``signal`` (column: a
list of numbers, evenly spaced in time),
``category``, ``modality``, ``group`` (columns), ``group: image-content`` (rows share an image
when its bytes are equal), ``attributes: sex=column,view=column`` (of the patient or the picture, to
take scores apart by; ``age`` becomes a band; a copy may lack them), ``keep: column=value`` (the
data set is defined as these records; others are outside it, and counted), ``test:
column=value|value`` (of a file without a split: these records are for testing, the others for
training), ``answer_separator`` (between several answers that are all right), and ``sheet`` (of a
workbook; by default its first). Files without a header: ``columns`` or, for one split,
``columns_test`` (names with bars between them), and ``delimiter``, ``tab`` or ``bar``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.cards import Card
from components.lineage import hash_bytes, hash_file
from components.readers.columns import ExpectedColumns, read_attributes
from components.readers.csv_rows import read_csv_records
from components.readers.files import SplitFile, find_split_files, name_apart
from components.readers.json_rows import Found, read_json_records, unreadable
from components.readers.line_rows import read_line_records
from components.readers.parquet_rows import read_parquet_records
from components.readers.pictures import find_picture
from components.readers.plain_pickle import read_pickle_records
from components.readers.sheet_rows import read_sheet_records
from components.readers.values import (
    BadValue,
    as_answer,
    as_group,
    as_label,
    as_modality,
    as_question_kind,
    as_signal,
    as_text,
    pick,
)
from components.records import OUTSIDE, UNSPLIT, RawRow, Reject

FORMATS: dict[str, Callable[[Path, str], Iterator[Found]]] = {
    ".json": read_json_records,
    ".jsonl": read_json_records,
    ".csv": read_csv_records,
    ".tsv": read_csv_records,
    ".gz": read_csv_records,
    ".xlsx": read_sheet_records,
    ".parquet": read_parquet_records,
    ".pkl": read_pickle_records,
}
FIELDS: dict[str, tuple[str, ...]] = {
    "vqa": ("question", "answer"),
    "caption": ("caption",),
    "classify": ("label",),
    "understand": ("premise", "hypothesis", "label"),
    "summarize": ("text", "summary"),
    "infill_image": (),
}
BY_CONTENT = "image-content"
NAMING = ("image", "frames", "signal", "category", "group", "modality")  # they name a column


@dataclass
class Columns:
    """A card's mapping, what ids call its files, and the hashes of the images that were seen."""

    card: Card
    root: Path
    called: Mapping[str, str]
    hashes: dict[Path, str] = field(default_factory=dict)

    def option(self, name: str) -> str:
        """An option of the card, or ""."""
        return self.card.options.get(name, "")

    def named(self, split: str) -> dict[str, str]:
        """The columns that the card names, by option, for a file of this split."""
        columns = {name: self.option(name) for name in (*NAMING, *FIELDS[self.card.task])}
        columns["keep"] = self.option("keep").partition("=")[0]
        columns["test"] = self.option("test").partition("=")[0] if split == UNSPLIT else ""
        return {name: column for name, column in columns.items() if column not in ("", BY_CONTENT)}

    def value(self, record: Mapping[str, Any], name: str) -> Any:
        """The value of the column that an option names, or None."""
        column = self.option(name)
        return pick(record, column) if column else None


def read_table_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per record of the card's files, or a Reject that names file and record.

    Raises UserError where a file is missing, unreadable, or of an unknown format, or where none of
    its records has a column that the card names.
    """
    files = find_split_files(card, root)
    short = {file.name: Path(file.name).with_suffix("").as_posix() for file in files}
    columns = Columns(card, root, name_apart(short))
    for file in files:
        expected = ExpectedColumns(columns.named(file.split))
        for number, record in _read_records(columns, file):
            if isinstance(record, Reject):
                yield record
                continue
            expected.see(record)
            if _is_kept(columns, record):
                yield _read_record(columns, file, number, record)
            else:
                detail = f"it is not of {columns.option('keep')}"
                yield Reject(f"{file.name}#{number}", OUTSIDE, detail)
        expected.check(file.path, card.name)


def _read_records(columns: Columns, file: SplitFile) -> Iterator[Found]:
    """The records of one file, in the way that its name, or else the card, calls for."""
    names = columns.option(f"columns_{file.split}") or columns.option("columns")
    if names:
        return read_line_records(file.path, file.name, names, columns.option("delimiter"))
    if columns.option("sheet") and file.path.suffix.lower() == ".xlsx":
        return read_sheet_records(file.path, file.name, columns.option("sheet"))
    read = FORMATS.get(file.path.suffix.lower())
    if read is None:
        raise unreadable(file.path, f"known formats are {', '.join(FORMATS)}")
    return read(file.path, file.name)


def _is_kept(columns: Columns, record: Mapping[str, Any]) -> bool:
    """Whether the record is of the data set; one without the column is kept, to be judged."""
    column, _, wanted = columns.option("keep").partition("=")
    return not column or _read_choice(record, column) in (wanted, None)


def _read_choice(record: Mapping[str, Any], column: str) -> str | None:
    """A value as a card can write it: numbers, too, are chosen by their figures."""
    value = pick(record, column)
    return None if value is None else str(value).strip()


def _read_record(
    columns: Columns, file: SplitFile, number: int, record: Mapping[str, Any]
) -> RawRow | Reject:
    origin = f"{file.name}#{number}"
    try:
        _check_selection(columns, record)
        fields = _read_fields(columns, record)
        image = _read_image(columns, file, record, origin)
        frames = _read_frames(columns, file, record, origin)
        signal = as_signal(columns.value(record, "signal")) if columns.option("signal") else []
    except BadValue as bad:
        return Reject(origin, bad.reason, bad.detail)
    if isinstance(image, Reject):
        return image
    if isinstance(frames, Reject):
        return frames
    kind, answer = columns.value(record, "category"), fields.get("answer", "")
    first = answer if isinstance(answer, str) else answer[0]
    return RawRow(
        id=f"{columns.called[file.name]}/{number}",
        split=_name_split(columns, file, record),
        fields=fields,
        origin=origin,
        image=image,
        frames=frames,
        signal=signal,
        group=_name_group(columns, record, image),
        category=as_question_kind(kind, first) if first else _tell_category(kind),
        modality=as_modality(columns.value(record, "modality"), columns.card.modality),
        attributes=read_attributes(columns.card.attribute_columns, record),
    )


def _tell_category(kind: Any) -> str:
    return "" if kind is None else str(kind).strip()


def _check_selection(columns: Columns, record: Mapping[str, Any]) -> None:
    column = columns.option("keep").partition("=")[0]
    if column and pick(record, column) is None:
        raise BadValue(f"missing-{column}", "whether the record belongs to the set is unknown")


def _name_split(columns: Columns, file: SplitFile, record: Mapping[str, Any]) -> str:
    column, _, values = columns.option("test").partition("=")
    if not column or file.split != UNSPLIT:
        return file.split
    return "test" if _read_choice(record, column) in values.split("|") else "train"


def _read_fields(columns: Columns, record: Mapping[str, Any]) -> dict[str, str | list[str]]:
    fields: dict[str, str | list[str]] = {}
    for name in FIELDS[columns.card.task]:
        value = pick(record, columns.option(name) or name)
        if name == "label":
            fields[name] = as_label(value, name, columns.card.answers)
        elif name == "answer":
            fields[name] = as_answer(value, columns.option("answer_separator"))
        else:
            fields[name] = as_text(value, name)
    return fields


def _read_image(
    columns: Columns, file: SplitFile, record: Mapping[str, Any], origin: str
) -> Path | bytes | Reject | None:
    if not columns.option("image"):
        return None
    value = columns.value(record, "image")
    if isinstance(value, Mapping):  # as hubs store it in Parquet
        content = value.get("bytes")
        return content if isinstance(content, bytes) else Reject(origin, "missing-image")
    if not isinstance(value, str) or not value.strip():
        raise BadValue("missing-image", "the record names none")
    beside, options = file.path.parent, columns.card.options
    return find_picture(value.strip(), beside, columns.root, origin, options)


def _read_frames(
    columns: Columns, file: SplitFile, record: Mapping[str, Any], origin: str
) -> list[Path] | Reject:
    if not columns.option("frames"):
        return []
    names, found = columns.value(record, "frames"), []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadValue("wrong-type", "frames are no list of names")
    for name in names:
        path = find_picture(
            name.strip(), file.path.parent, columns.root, origin, columns.card.options
        )
        if not isinstance(path, Path):
            return path if isinstance(path, Reject) else Reject(origin, "packed-frame", name)
        found.append(path)
    if not found:
        raise BadValue("missing-image", "the record names no frame")
    return found


def _name_group(columns: Columns, record: Mapping[str, Any], image: Path | bytes | None) -> str:
    if columns.option("group") != BY_CONTENT:
        named = as_group(columns.value(record, "group"))  # a patient's number may be 0
        return named or as_group(columns.value(record, "image"))
    if isinstance(image, bytes):
        return hash_bytes(image)[:16]
    if image is None:
        return ""
    if image not in columns.hashes:
        columns.hashes[image] = hash_file(image)[:16]
    return columns.hashes[image]
