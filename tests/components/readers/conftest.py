"""The project's own cards, and rows sorted from rejects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from components.cards import Card, load_card
from components.readers.registry import read_rows
from components.records import RawRow, Reject

Split = tuple[list[RawRow], list[Reject]]


@pytest.fixture
def card(repository: Path) -> Callable[[str], Card]:
    """A card by its name."""
    return lambda name: load_card(name, repository / "data/cards")


@pytest.fixture
def read(card: Callable[[str], Card]) -> Callable[[str, Path], Split]:
    """The rows and the rejects of a data set in a folder."""

    def read_split(name: str, root: Path) -> Split:
        found = list(read_rows(card(name), root))
        rows = [item for item in found if isinstance(item, RawRow)]
        return rows, [item for item in found if isinstance(item, Reject)]

    return read_split
