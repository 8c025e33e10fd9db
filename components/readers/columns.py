"""Columns that a card names, looked for in a file: a mistyped one must not be passed over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.readers.values import as_attribute, pick


def has_column(record: Mapping[str, Any], column: str) -> bool:
    """Whether a record has a column, though empty; ``column`` is written as for ``pick``."""
    for name in column.split("|"):
        if name in record:
            return True
        *parents, last = name.split(".")
        inner: Any = record
        for part in parents:
            inner = inner.get(part) if isinstance(inner, Mapping) else None
        if isinstance(inner, Mapping) and last in inner:
            return True
    return False


def read_attributes(columns: Mapping[str, str], record: Mapping[str, Any]) -> dict[str, str]:
    """What a record tells of its patient or picture, in the order of the names, nothing empty.

    ``columns`` has the column of each name (``Card.attribute_columns``). Copies of a set may lack
    them: an attribute is not worth a record.
    """
    told = {name: as_attribute(name, pick(record, columns[name])) for name in sorted(columns)}
    return {name: words for name, words in told.items() if words}


def name_view(value: Any) -> dict[str, str]:
    """The view of a picture as its one attribute; none where it is not told."""
    return read_attributes({"view": "view"}, {"view": value})


class ExpectedColumns:
    """The columns that a card's options name, until a record of the file has them."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self.absent = dict(options)
        self.there: set[str] = set()

    def see(self, record: Mapping[str, Any]) -> None:
        """Take note of a record's columns."""
        if self.absent:
            self.there |= record.keys()
            self.absent = {k: v for k, v in self.absent.items() if not has_column(record, v)}

    def check(self, path: Path, card: str) -> None:
        """UserError at the end of a file with records, where none had one of the columns."""
        if self.absent and self.there:
            named = ", ".join(f"{option}: {v}" for option, v in sorted(self.absent.items()))
            raise UserError(
                f"{path} has no column that data/cards/{card}.yaml names ({named})",
                why=f"its records have {', '.join(sorted(self.there))}",
                next_command="mend the name under options in the card, or take it out",
            )
