"""Cross-validation folds for data sets that publish none: groups dealt out evenly, by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from components.cards import Card
from components.errors import UserError
from components.records import UNSPLIT


def choose_test_groups(card: Card, groups: Iterable[str]) -> frozenset[str] | None:
    """The groups of the fold that ``options.fold`` names (``3/10``: the third of ten), or None.

    Which group is in which fold depends on the groups alone. Raises UserError for another wording.
    """
    wanted = card.options.get("fold", "")
    if not wanted:
        return None
    number, _, num_folds = wanted.partition("/")
    if not (number.isdecimal() and num_folds.isdecimal() and 1 <= int(number) <= int(num_folds)):
        raise UserError(
            f"data/cards/{card.name}.yaml: fold is {wanted!r}",
            why="it is the number of a fold and how many there are, such as 3/10",
            next_command="mend options.fold in the card, or take it out to draw one split by seed",
        )
    dealt = sorted(set(groups), key=_hash)
    return frozenset(dealt[int(number) - 1 :: int(num_folds)])


def _hash(group: str) -> str:
    return hashlib.sha256(group.encode()).hexdigest()


def split_of(group: str, test_groups: frozenset[str] | None) -> str:
    """``test`` in the chosen fold, ``train`` in the others; unsplit where none was chosen."""
    if test_groups is None:
        return UNSPLIT
    return "test" if group in test_groups else "train"
