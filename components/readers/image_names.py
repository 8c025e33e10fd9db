"""Folders of images whose names hold the label, as NLM's chest film sets (CHNCXR_0001_0.png)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from components.cards import Card
from components.errors import UserError
from components.readers.files import name_apart
from components.readers.pictures import find_picture
from components.readers.values import BadValue, as_label
from components.records import UNSPLIT, RawRow, Reject


def read_named_image_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per image, with the card's answer text for the label in its name.

    ``options.label`` is a regular expression whose one group finds the label in the name without
    its suffix. A name without one, and a label that the card does not know, are Rejects.
    """
    pattern = _compile(card)
    paths = {path.relative_to(root).as_posix(): path for path in card.find(root, "images")}
    called = name_apart({name: path.stem for name, path in paths.items()})
    for name, path in paths.items():
        origin, found = f"{name}#{path.stem}", pattern.search(path.stem)
        try:
            if found is None:
                raise BadValue("missing-label", f"{path.stem} holds none")
            label = as_label(found[1], "label", card.answers)
        except BadValue as bad:
            yield Reject(origin, bad.reason, bad.detail)
            continue
        image = find_picture(name, root, root, origin, card.options)
        if isinstance(image, Reject):
            yield image
            continue
        yield RawRow(
            id=called[name],
            split=UNSPLIT,
            fields={"label": label},
            origin=origin,
            image=image,
            group=path.stem,  # of one name may be one picture in two formats
            modality=card.modality,
        )


def _compile(card: Card) -> re.Pattern[str]:
    told = card.options.get("label", "")
    try:
        pattern = re.compile(told)
    except re.error as error:
        pattern, why = re.compile(""), str(error)
    else:
        why = f"it has {pattern.groups} groups"
    if pattern.groups == 1:
        return pattern
    raise UserError(
        f"data/cards/{card.name}.yaml: options.label is {told!r}, which finds no label",
        why=why,
        next_command="write a regular expression with one group, such as _([01])$",
    )
