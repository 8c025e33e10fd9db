"""What rooms hand to each other: rows in memory, and Parquet files with a written schema.

Readers yield ``RawRow`` or ``Reject``. ``prepare`` renders rows to ``Example``. Everything that
crosses a stage boundary is one of the Parquet schemas below; columns are read by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import TypeVar, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from components.errors import METADATA, UserError, check_metadata, damage_told

T = TypeVar("T")
Box = list[float]  # x0, y0, x1, y1 in pixels of the image as it is shown
SPLITS = ("train", "validation", "test")
# What is read at a time: rows, and their bytes; encoded bytes. And the size of a row group.
BATCH_ROWS, BATCH_BYTES, BUFFER_BYTES, GROUP_BYTES = 1024, 4 << 20, 1 << 16, 16 << 20
OUTSIDE = "outside-the-set"  # counted, but no fault: the data set is defined without such records
BROKEN = (pa.ArrowException, OSError)  # what Arrow tells of a file that is not whole Parquet
UNSPLIT = "unsplit"  # a source without official splits: prepare derives them, and says so


@dataclass(frozen=True, slots=True)
class RawRow:
    """One official record, read but not yet phrased as a task.

    ``fields`` carries the names that the card's task asks for (see components/tasks); ``image``
    is a file or the encoded bytes; ``frames`` are images in the order of time, laid out as one;
    ``signal`` is what was measured over time, evenly spaced; ``group`` names what rows share (an
    image, a patient), so that splits and intervals can respect it; ``documents`` names the article
    that it is from, in every way that is known (``PMID 1``, ``PMC1``); ``boxes`` lie around what a
    field names; ``attributes`` are what else is told of the patient or the picture, by which scores
    may be taken apart (sex, age, view, location); ``origin`` is ``file#record``.
    """

    id: str
    split: str
    fields: Mapping[str, str | list[str]]
    origin: str
    image: Path | bytes | None = None
    frames: list[Path] = field(default_factory=list)
    signal: list[float] = field(default_factory=list)
    group: str = ""
    category: str = ""
    modality: str = ""
    documents: list[str] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was not used, and why; kept and counted. Half a character is told by escape."""

    origin: str
    reason: str
    detail: str = ""

    def __post_init__(self) -> None:
        for name in ("origin", "detail"):  # a file's name, or JSON, may hold what UTF-8 cannot
            told = getattr(self, name).encode("utf-8", "backslashreplace").decode()
            object.__setattr__(self, name, told)


@dataclass(frozen=True, slots=True)
class Example:
    """An item: text in and out, at most one image (its sha256), boxes of what references name.

    ``num_frames`` is how many frames the image shows, row by row in the order of time; 0 of a
    still one. ``signal`` follows the source's text, as tokens (components/tokenization/signal.py).
    """

    id: str
    dataset: str
    task: str
    split: str
    source: str
    target: str
    references: list[str] = field(default_factory=list)
    candidates: list[str] = field(default_factory=list)
    prefix: str = ""
    image_id: str = ""
    modality: str = ""
    category: str = ""
    group: str = ""
    origin: str = ""
    weight: float = 1.0
    documents: list[str] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    num_frames: int = 0
    signal: list[float] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Article:
    """A PubMed citation or a PMC article, with the state that decides whether it may be used."""

    pmid: str
    pmcid: str
    version: int
    kind: str  # "abstract" or "fulltext"
    title: str
    text: str
    sections: list[str]
    journal: str
    year: int
    language: str
    mesh: list[str]
    publication_types: list[str]
    doi: str
    licence: str
    retracted: bool
    concern: bool
    origin: str
    origin_sha256: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a PMC article: caption, the sentences that mention it, and its image if there."""

    id: str
    pmcid: str
    label: str
    caption: str
    mentions: list[str]
    graphic: str
    image_id: str
    licence: str
    modality: str
    origin: str


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An encoded image, addressed by the sha256 of its bytes."""

    id: str
    bytes: bytes
    format: str
    width: int
    height: int
    modality: str
    origin: str


@dataclass(frozen=True, slots=True)
class ImageCodes:
    """The codes of an image: row-major indices into the image tokenizer's codebook."""

    image_id: str
    codes: list[int]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answered test item, under one condition; ``options`` are the best of a closed set."""

    id: str
    dataset: str
    size: str
    condition: str
    prediction: str
    target: str
    references: list[str]
    log_probability: float
    baseline: str
    category: str
    group: str
    image_id: str
    source: str
    modality: str = ""
    options: list[str] = field(default_factory=list)
    option_log_probabilities: list[float] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a test item shares with a training item, and its image where that is what they share."""

    kind: str
    test: str
    test_id: str
    train: str
    train_id: str
    image_id: str
    evidence: str


_TYPES: dict[object, pa.DataType] = {
    str: pa.string(), int: pa.int32(), float: pa.float64(), bool: pa.bool_(), bytes: pa.binary(),
    list[str]: pa.list_(pa.string()), list[int]: pa.list_(pa.int32()),
    list[float]: pa.list_(pa.float64()), list[Box]: pa.list_(pa.list_(pa.float64())),
    dict[str, str]: pa.map_(pa.string(), pa.string()),
}  # fmt: skip


def _schema(kind: type) -> pa.Schema:
    """The written schema of a kind of record: its fields in their order, none of them null."""
    columns = get_type_hints(kind, localns={}).items()  # a field may be named like a type
    written = [pa.field(name, _TYPES[of], nullable=False) for name, of in columns]
    return pa.schema(written, metadata=METADATA)


SCHEMAS: dict[type, pa.Schema] = {
    kind: _schema(kind)
    for kind in (Example, Article, Figure, ImageRecord, ImageCodes, Prediction, Overlap, Reject)
}


def write_records(path: Path, kind: type[T], records: Iterable[T], batch_rows: int = 4096) -> int:
    """Write records of one kind to a Parquet file; returns how many were written.

    The file appears under its name only when it is whole. Same records, same bytes.
    """
    schema = SCHEMAS[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    num_written = 0
    with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for batch in batches(records, batch_rows):
            # column by column: ten times faster than by rows
            columns = {name: [getattr(row, name) for row in batch] for name in schema.names}
            table = pa.Table.from_pydict(columns, schema=schema)
            # a reader holds a page, and a page of long texts is as large as its row group
            group_rows = max(GROUP_BYTES * len(batch) // max(table.nbytes, 1), 1)
            writer.write_table(table, row_group_size=group_rows)
            num_written += len(batch)
    partial.replace(path)
    return num_written


def batches(records: Iterable[T], size: int) -> Iterator[list[T]]:
    """Items in lists of a size, the last with what is left."""
    items = iter(records)
    while batch := list(islice(items, size)):
        yield batch


def find_shards(path: Path) -> list[Path]:
    """The Parquet files of a product, in the order of their paths; UserError without any."""
    shards = sorted(p for p in path.rglob("*.parquet") if p.is_file()) if path.is_dir() else [path]
    if not shards or not shards[0].is_file():
        what = f"{path} {'holds no Parquet file' if path.is_dir() else 'is missing'}"
        raise UserError(what, why="it was never made, or is lost", next_command="dvc repro")
    return shards


def read_records(path: Path, kind: type[T]) -> Iterator[T]:
    """Yield the records of a Parquet file, or of a folder's shards one after another.

    Memory holds some BATCH_BYTES of them. Raises UserError when there is no file, or one is
    damaged, of a newer package's, or lacks a column of the written schema.
    """
    for shard in find_shards(path):
        yield from (record for _, record in read_groups(shard, kind))


def read_groups(path: Path, kind: type[T], groups: Sequence[int] = ()) -> Iterator[tuple[int, T]]:
    """``read_records`` of one file, or of the row groups named: each with its group's number."""
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    with (
        damage_told(path, *BROKEN),
        pq.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as file,
    ):
        check_metadata(file.schema_arrow.metadata, path)
        if absent := [name for name in names if name not in file.schema_arrow.names]:
            raise UserError(f"{path} lacks the columns {absent}", next_command="dvc repro --force")
        for index in groups or range(file.num_row_groups):
            size = _batch_rows(file.metadata.row_group(index))
            for batch in file.iter_batches(size, row_groups=[index], columns=names):
                for row in batch.to_pylist(maps_as_pydicts="strict"):
                    yield index, kind(**row)


def _batch_rows(group: pq.RowGroupMetaData) -> int:
    """Rows that are BATCH_BYTES at the row group's mean, BATCH_ROWS at most."""
    rows = BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1)
    return min(max(int(rows), 1), BATCH_ROWS)


def read_footer(path: Path) -> pq.FileMetaData:
    """What the end of one file tells of it; UserError if it is damaged, or a newer package's."""
    with damage_told(path, *BROKEN), pq.ParquetFile(path) as file:
        check_metadata(file.metadata.metadata, path)
        return file.metadata


def count_records(path: Path) -> int:
    """Number of rows of a file, or of a folder's shards, by their footers; errors as above."""
    return sum(int(read_footer(shard).num_rows) for shard in find_shards(path))
