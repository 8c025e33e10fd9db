"""What reading a file gives, before anything is decided: rows of articles and of their figures.

An ``articles`` row is an Article (components.records) with the fields that decide whether it is
taken and those that are no text. ``retracts`` and ``doubts`` name the articles that it, as a
notice, speaks of: PMIDs, PMCIDs or DOIs. ``other_abstracts`` are translations and summaries in
plain language. ``digest`` stands for the text on one line: equal texts have equal digests.

A ``figures`` row is a Figure with the row of its article, the file of its image (relative to the
folder of all), and the reason why it cannot be taken, if there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from components.errors import METADATA
from components.records import SCHEMAS, Article, Figure, Reject

DIGEST_BYTES = 16


def _fields(**columns: pa.DataType) -> list[pa.Field]:
    return [pa.field(name, kind, nullable=False) for name, kind in columns.items()]


_TEXT, _TEXTS = pa.string(), pa.list_(pa.string())
_OTHER = pa.struct([(name, _TEXT) for name in ("language", "kind", "text")])
ARTICLES = pa.schema([
    *SCHEMAS[Article],
    *_fields(
        authors=_TEXTS, vernacular_title=_TEXT, other_abstracts=pa.list_(_OTHER),
        is_notice=pa.bool_(), retracts=_TEXTS, doubts=_TEXTS, num_chars=pa.int32(),
        digest=pa.binary(),
    ),
], metadata=METADATA)  # fmt: skip
FIGURES = pa.schema([
    *SCHEMAS[Figure],
    *_fields(
        row=pa.int64(), path=_TEXT, format=_TEXT, width=pa.int32(), height=pa.int32(),
        reason=_TEXT, detail=_TEXT,
    ),
], metadata=METADATA)  # fmt: skip
REJECTS = SCHEMAS[Reject]


def digest_texts(texts: pl.Series) -> pl.Series:
    """A short hash of each text, whether its parts stand on lines or on one."""
    lines = texts.str.replace_all("\n", " ", literal=True).cast(pl.Binary)
    digests = [blake2b(line, digest_size=DIGEST_BYTES).digest() for line in lines.to_list()]
    return pl.Series(digests, dtype=pl.Binary)


def complete(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of articles with all their columns; nulls and what is absent become empty values."""
    absent = [
        pl.lit(None, dtype=kind).alias(name)
        for name, kind in pl.Schema(ARTICLES).items()
        if name not in rows.columns
    ]
    filled = rows.with_columns(absent).with_columns(
        pl.col(pl.String).fill_null(""),
        pl.col(pl.List).fill_null([]),
        pl.col(pl.Int32).fill_null(0),
        pl.col(pl.Boolean).fill_null(value=False),
    )
    return filled.with_columns(
        num_chars=pl.col("text").str.len_chars().cast(pl.Int32),
        digest=digest_texts(filled["text"]),
    ).select(ARTICLES.names)


class Shard:
    """A Parquet file that is being written, part by part."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self.writer, self.num_rows = writer, 0

    def add(self, rows: pl.DataFrame) -> None:
        """Write the columns of the schema as a row group of their own."""
        if len(rows):
            schema = self.writer.schema
            table = rows.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest())
            self.writer.write_table(table.cast(schema))
            self.num_rows += len(rows)


@contextmanager
def open_shard(path: Path, schema: pa.Schema, *, may_be_empty: bool = True) -> Iterator[Shard]:
    """A shard that appears under its name when it is whole. Same rows, same bytes.

    One that may not be empty, and is, does not appear.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        shard = Shard(writer)
        yield shard
    if shard.num_rows or may_be_empty:
        partial.replace(path)
    else:
        partial.unlink()


def read_shard(path: Path, *columns: str) -> pl.DataFrame:
    """A whole shard, or some of its columns; its path is no pattern, whatever signs are in it."""
    names = list(columns) or None
    return pl.read_parquet(path, columns=names, glob=False, hive_partitioning=False)


def row_groups(path: Path, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
    """A shard part by part, as it was written."""
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield pl.DataFrame(file.read_row_group(number, columns=columns))
