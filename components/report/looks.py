"""Is the image used? Scores under every condition, and what is lost by each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from components.evaluation.conditions import (
    BLANK,
    NO_QUESTION,
    NOISE,
    OF_IMAGES,
    SWAPPED,
    TEXT_ONLY,
)
from components.report.scores import ScoreRow

TITLES = {
    BLANK: "Grey image",
    NOISE: "Noise",
    SWAPPED: "Another item's image",
    TEXT_ONLY: "No image",
    NO_QUESTION: "No question",
}


@dataclass(frozen=True, slots=True)
class Loss:
    """A score under a condition (``of``: value and gain, with bounds), and whether it is lower."""

    condition: str
    of: dict[str, Any]

    @property
    def is_lower(self) -> bool:
        """Whether the whole interval of what was lost is above 0."""
        return self.of["gain_low"] is not None and self.of["gain_low"] > 0

    @property
    def is_alarming(self) -> bool:
        """An image that could be anything; that a question is not needed need not alarm."""
        return self.condition in OF_IMAGES and not self.is_lower


@dataclass(frozen=True, slots=True)
class LookRow:
    """A headline score, and for each condition of the table what became of it, if it was tried."""

    row: ScoreRow
    losses: list[Loss | None]


@dataclass(frozen=True, slots=True)
class Looks:
    """The table: its conditions with their titles, and a row for each data set and size."""

    conditions: list[tuple[str, str]]
    rows: list[LookRow]


def view_looks(scores: Sequence[ScoreRow]) -> Looks:
    """The headline scores of data sets that were asked under more than one condition."""
    main = [row for row in scores if row.is_main and TITLES.keys() & row.of.get("conditions", {})]
    tried = [name for name in TITLES if any(name in row.of["conditions"] for row in main)]
    rows = [LookRow(row, [_find_loss(row, name) for name in tried]) for row in main]
    return Looks([(name, TITLES[name]) for name in tried], rows)


def _find_loss(row: ScoreRow, condition: str) -> Loss | None:
    found = row.of["conditions"].get(condition)
    return Loss(condition, found) if found else None


def list_worries(
    scores: Sequence[ScoreRow],
) -> Iterator[tuple[Literal["red", "note"], str, list[ScoreRow]]]:
    """How grave, what, and of which scores; of a grey image the scores' own flag tells."""
    view = view_looks(scores)
    for name, title in view.conditions:
        kept = [
            look.row
            for look in view.rows
            for loss in look.losses
            if loss and loss.condition == name and not loss.is_lower
        ]
        if name == NO_QUESTION and kept:
            yield "note", "the question is not needed: the score stays without it", kept
        elif name != BLANK and (kept := [row for row in kept if row.of.get("falls_when_blank")]):
            words = f"the score falls on a grey image, but stays with this: {title.lower()}"
            yield "red", words, kept
