"""In how many ways records are written: counted, so that a new way is seen when it comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.instructions.images import name_images

IMAGE_MARK = "<image>"
KNOWN_KEYS = frozenset(
    {"id", "image", "imgs", "domain", "conversations", "fig_caption", "fig_id", "fig_label",
     "graphic_ref", "in_text_mention", "pair_id", "pmid"}
)  # fmt: skip


def name_variants(record: Mapping[str, Any]) -> list[str]:
    """What is to be said of how one record is written, in the words of the report's table."""
    key = next((key for key in ("image", "imgs") if key in record), "")
    kind = "a list" if key and isinstance(record[key], list) else "a text"
    found = [f"image under {key}, {kind}" if key else "no key for an image"]
    if key and not name_images(record):
        found.append("key for an image without a name")
    if len(name_images(record)) > 1:
        found.append("more than one image: one is shown")
    turns = record["conversations"]
    found.append("even number of turns" if len(turns) % 2 == 0 else "odd number of turns")
    said = [turn.get("value") for turn in turns if isinstance(turn, dict)]
    marked = any(isinstance(text, str) and IMAGE_MARK in text for text in said)
    found.append(f"{IMAGE_MARK} in a turn" if marked else f"no {IMAGE_MARK} in any turn")
    if not record.get("fig_caption") and not record.get("in_text_mention"):
        found.append("neither caption nor mention")
    further = sorted(record.keys() - KNOWN_KEYS)
    return [*found, *(f"further key: {ascii(name)[1:-1]}" for name in further)]
