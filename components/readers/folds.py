"""Cross-validation folds for data sets that publish none: groups dealt out evenly, by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from components.cards import Card
from components.errors import UserError


def deal_splits(card: Card, groups: Iterable[str]) -> dict[str, str]:
    """The split of each group by ``options.fold``; none where the card has no such option.

    ``3/10`` makes the third of ten folds the test, the one after it validation, the others train.
    Which group is in which fold depends on the groups alone. Raises UserError for another wording,
    and for fewer than three folds.
    """
    wanted = card.options.get("fold", "")
    if not wanted:
        return {}
    number, _, num_folds = wanted.partition("/")
    counts = number.isdecimal() and num_folds.isdecimal()
    if not counts or int(num_folds) < 3 or not 1 <= int(number) <= int(num_folds):
        raise UserError(
            f"data/cards/{card.name}.yaml: fold is {wanted!r}",
            why="it is the number of a fold and how many there are, three or more, such as 3/10",
            next_command="mend options.fold in the card, or take it out to draw one split by seed",
        )
    named = {int(number) - 1: "test", int(number) % int(num_folds): "validation"}
    dealt = sorted(set(groups), key=_hash)
    return {group: named.get(i % int(num_folds), "train") for i, group in enumerate(dealt)}


def _hash(group: str) -> str:
    return hashlib.sha256(group.encode()).hexdigest()
