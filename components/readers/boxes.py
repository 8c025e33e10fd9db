"""What readers of detection share: labels in words, and boxes of four numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from components.cards import Card
from components.errors import UserError
from components.readers.values import BadValue
from components.records import Box


def read_labels(card: Card) -> dict[str, str]:
    """``options.labels`` (``1=bone|2=abdomen``): raw label to the word that is learnt.

    Raises UserError where it is not written so.
    """
    told = card.options.get("labels", "")
    pairs = [part.partition("=") for part in told.split("|")]
    if not all(raw and sign and word for raw, sign, word in pairs):
        raise UserError(
            f"data/cards/{card.name}.yaml: options.labels is {told!r}",
            why="it is the source's labels and their words, such as 1=bone|2=abdomen",
            next_command="mend it in the card",
        )
    return {raw.strip(): word.strip() for raw, _, word in pairs}


def as_box(values: Sequence[Any]) -> Box:
    """Left, top, right and bottom in pixels; BadValue for anything that encloses nothing."""
    try:
        box = [float(str(value)) for value in values]
    except ValueError:
        raise BadValue("bad-box", f"{values!r} are not numbers"[:200]) from None
    if len(box) != 4 or not all(map(math.isfinite, box)) or box[2] <= box[0] or box[3] <= box[1]:
        raise BadValue("bad-box", f"{box} is not left, top, right, bottom")
    return box
