"""CSV and TSV as published: a header row, then records; plain, or compressed by gzip."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from components.readers.json_rows import Found, unreadable
from components.records import Reject

LONGEST_FIELD = 16 << 20  # characters; Python's own limit is shorter than some clinical notes
LONGEST_LINE = 4 * LONGEST_FIELD  # a packed file may hold a line that is a thousand times larger
# What a damaged archive, another encoding, or a broken row lets through.
BROKEN = (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error)


def read_csv_records(path: Path, name: str, delimiter: str = "") -> Iterator[Found]:
    """Yield (number, columns) for each row under the header, counted from 1, one in memory.

    Empty cells are None, blank rows are no records, a row with more or fewer cells than the header
    is a Reject. ``delimiter`` is a tab for ``.tsv``, else a comma, where it is not given. Raises
    UserError for a file without a header, with a column twice, damaged, not in UTF-8, or with a
    quote that is not closed where its cell ends.
    """
    number = 0
    try:
        with _open_text(path) as file:
            csv.field_size_limit(LONGEST_FIELD)
            # strict: a quote that is not closed would make one cell of many records, told by no one
            rows = csv.reader(_lines(file), delimiter=delimiter or _delimiter_of(path), strict=True)
            header = _read_header(path, rows)
            for cells in rows:
                if any(cells):
                    number += 1
                    yield number, _as_record(header, cells, f"{name}#{number}")
    except BROKEN as error:
        raise unreadable(path, f"it is not whole CSV after record {number}: {error}") from None


def _open_text(path: Path) -> TextIO:
    if path.suffix.lower() == ".gz":
        content = cast(BinaryIO, gzip.GzipFile(path))
        return io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _lines(file: TextIO) -> Iterator[str]:
    """The lines of a file; csv.Error for one that no memory need hold."""
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise csv.Error(f"a line has more than {LONGEST_LINE >> 20} million characters")
        yield line


def _delimiter_of(path: Path) -> str:
    return "\t" if ".tsv" in (suffix.lower() for suffix in path.suffixes) else ","


def _read_header(path: Path, rows: Iterator[list[str]]) -> list[str]:
    header = [cell.strip() for cell in next(rows, [])]
    if not any(header):
        raise unreadable(path, "it has no header row")
    twice = sorted({cell for cell in header if cell and header.count(cell) > 1})
    if twice:
        raise unreadable(path, f"its header names {', '.join(twice)} twice")
    return header


def _as_record(header: list[str], cells: list[str], origin: str) -> dict[str, str | None] | Reject:
    if len(cells) != len(header):
        detail = f"{len(cells)} cells under {len(header)} columns"
        return Reject(origin, "wrong-number-of-cells", detail)
    pairs = zip(header, cells, strict=True)
    return {column: cell or None for column, cell in pairs if column}
