"""Lines without a header and without quotes: fields between tabs or bars, named by the card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.errors import UserError
from components.readers.json_rows import Found, unreadable
from components.records import Reject

DELIMITERS = {"tab": "\t", "bar": "|"}


def read_line_records(path: Path, name: str, columns: str, delimiter: str) -> Iterator[Found]:
    """Yield (number, columns) for each line that is not blank; numbers are those of the lines.

    ``columns`` are names with bars between them, ``delimiter`` is ``tab`` or ``bar``. What is left
    belongs to the last column, delimiters and all. A line with fewer fields is a Reject. Raises
    UserError for a file that is not UTF-8.
    """
    if delimiter not in DELIMITERS:
        raise UserError(
            f"options.delimiter is {delimiter!r}: the fields of {path} cannot be told apart",
            why=f"known are {' and '.join(DELIMITERS)}",
            next_command="mend it in the card under data/cards",
        )
    names, sign, number = columns.split("|"), DELIMITERS[delimiter], 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, line in enumerate(file, start=1):
                cells = line.rstrip("\r\n").split(sign, len(names) - 1)
                if not line.strip():
                    continue
                if len(cells) < len(names):
                    detail = f"{len(cells)} fields, not {', '.join(names)}"
                    yield number, Reject(f"{name}#{number}", "wrong-number-of-fields", detail)
                    continue
                yield number, dict(zip(names, cells, strict=True))
    except UnicodeDecodeError as error:
        raise unreadable(path, f"it is not UTF-8 after line {number}: {error}") from None
