"""The images of conversations: how a record names them, and where they lie beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FOLDER = "images"
KEYS = "image_keys.jsonl"  # what was fetched: object of the bucket, and its article's licence


def name_images(record: Mapping[str, Any]) -> list[str]:
    """The file names of a record: ``image`` or, in older files, ``imgs``; a text or a list of them.

    The first of the two keys that holds a name counts; what is no text is no name.
    """
    for key in ("image", "imgs"):
        value = record.get(key)
        listed = value if isinstance(value, list) else [value]
        names = [name for name in listed if isinstance(name, str) and name.strip()]
        if names:
            return names
    return []
