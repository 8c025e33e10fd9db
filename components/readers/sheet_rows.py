"""Excel workbooks: a sheet, the first row of which names the columns."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from lxml.etree import XMLSyntaxError
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from components.readers.json_rows import Found, unreadable
from components.records import Reject

MAX_UNPACKED = 256 << 20  # bytes of all parts together; a sheet of 100,000 questions takes thirty
# What openpyxl lets through from a damaged archive, its XML, or a cell of the wrong kind.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    InvalidFileException,
    ParseError,
    XMLSyntaxError,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    AttributeError,
    OSError,
    EOFError,
    RuntimeError,  # a part that is encrypted, or packed in a way that is not known
)


def read_sheet_records(path: Path, name: str, sheet: str = "") -> Iterator[Found]:
    """Yield (number, columns) for each row under the header of a sheet, else of the first one.

    Rows are counted from 1. Blank rows are not records, blank cells are None; a row with a cell
    beyond the last column that has a name is a Reject. Raises UserError for a broken workbook, for
    one without that sheet or without a header, and for a column that is named twice.
    """
    try:
        rows = _read_rows(path, sheet)
    except BROKEN as e:
        raise unreadable(path, f"it is not a whole Excel workbook: {e}") from None
    if not rows:
        raise unreadable(path, f"its {f'sheet {sheet}' if sheet else 'first sheet'} is empty")
    header = [str(cell).strip() if cell is not None else "" for cell in rows[0]]
    if not any(header):
        raise unreadable(path, "it has no header row")
    twice = sorted({cell for cell in header if cell and header.count(cell) > 1})
    if twice:
        raise unreadable(path, f"its header names {', '.join(twice)} twice")
    for number, row in enumerate(rows[1:], start=1):
        if any(cell is not None for cell in row):
            yield number, _as_record(header, row, f"{name}#{number}")


def _as_record(header: list[str], row: tuple[Any, ...], origin: str) -> dict[str, Any] | Reject:
    """Excel makes all rows as wide as the widest: what counts is where the last cell stands."""
    width, num_cells = _measure_width(header), _measure_width(row)
    if num_cells > width:
        detail = f"{num_cells} cells under {width} columns"
        return Reject(origin, "wrong-number-of-cells", detail)
    return {column: cell for column, cell in zip(header, row, strict=False) if column}


def _measure_width(cells: Sequence[Any]) -> int:
    """Cells up to the last that holds more than spaces."""
    filled = (
        place for place, cell in enumerate(cells, 1) if cell is not None and str(cell).strip()
    )
    return max(filled, default=0)


def _read_rows(path: Path, name: str) -> list[tuple[Any, ...]]:
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > MAX_UNPACKED:  # zipfile reads no more of a part than it says here
        raise unreadable(path, f"its parts unpack to {unpacked:,} bytes, over {MAX_UNPACKED:,}")
    workbook = load_workbook(path, read_only=True, data_only=True)
    try:
        sheets = {sheet.title: sheet for sheet in workbook.worksheets}
        if name and name not in sheets:
            raise unreadable(path, f"it has no sheet {name}; its sheets are {', '.join(sheets)}")
        sheet = sheets[name] if name else workbook.worksheets[0]
        return list(sheet.iter_rows(values_only=True))
    finally:
        workbook.close()
