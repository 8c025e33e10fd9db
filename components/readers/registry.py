"""Which reader a card's ``reader`` names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from components.cards import Card
from components.errors import UserError
from components.readers.multiple_choice import read_multiple_choice_rows
from components.readers.npz import read_npz_rows
from components.readers.openi_xml import read_openi_rows
from components.readers.pubmedqa import read_pubmedqa_rows
from components.readers.table import read_table_rows
from components.records import RawRow, Reject

Reader = Callable[[Card, Path], Iterator[RawRow | Reject]]
READERS: dict[str, Reader] = {
    "table": read_table_rows,
    "npz": read_npz_rows,
    "openi_xml": read_openi_rows,
    "pubmedqa": read_pubmedqa_rows,
    "multiple_choice": read_multiple_choice_rows,
}


def read_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Rows and Rejects of a data set whose raw files lie under ``root``.

    Raises UserError where the card names no known reader, or a file is missing or unreadable.
    """
    if card.reader not in READERS:
        raise UserError(
            f"data/cards/{card.name}.yaml: no reader named {card.reader!r}",
            why=f"known: {', '.join(sorted(READERS))}",
        )
    return READERS[card.reader](card, root)
