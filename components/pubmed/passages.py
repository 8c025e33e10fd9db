"""BioC JSON files: the documents in them, and their passages, checked.

A file is a collection, a list of them, one document, or a document a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.records import Reject

MAX_CHARS = 4 << 20  # of a document's text, of which there are some ten copies on its way


class Broken(Exception):  # noqa: N818
    """A document that cannot be read: a short reason, and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage whose form has been checked; ``section`` in capitals, ``kind`` in small letters."""

    infons: dict[str, str]
    offset: int
    text: str

    @property
    def section(self) -> str:
        """INTRO, METHODS, FIG, ...; "" in PubTator's form."""
        return self.infons.get("section_type", "").upper()

    @property
    def kind(self) -> str:
        """front, abstract, paragraph, title_1, fig_caption, ..."""
        return self.infons.get("type", "").lower()


def parse_json(content: bytes, name: str) -> Iterator[tuple[str, Any]]:
    """(place, value) of a JSON file, or of each line where every line is a value of its own."""
    try:
        text = content.decode("utf-8-sig")
        yield name, json.loads(text)
        return
    except RecursionError:
        yield name, Reject(name, "broken-json", "nested too deeply")
        return
    except ValueError as error:
        first = error
    lines = [] if isinstance(first, UnicodeDecodeError) else text.split("\n")
    if sum(line.lstrip().startswith("{") and line.rstrip().endswith("}") for line in lines) < 2:
        start = content[:80].decode("utf-8", "replace")
        yield name, Reject(name, "broken-json", f"{str(first)[:120]}; it begins {start!r}")
        return
    for number, line in enumerate(lines, start=1):
        place = f"{name}:{number}"
        try:
            if line.strip():
                yield place, json.loads(line)
        except (ValueError, RecursionError) as error:
            yield place, Reject(place, "broken-json", str(error)[:200])


def find_documents(value: Any) -> Iterator[Any]:
    """The documents of a collection, of a list of them, or of an answer of PubTator's."""
    if isinstance(value, list):
        for item in value:
            yield from find_documents(item)
    elif isinstance(value, dict):
        inner = next((value[key] for key in ("documents", "PubTator3") if key in value), None)
        if isinstance(inner, list):
            yield from inner
        elif inner is not None or "passages" in value:
            yield value


def check_passages(document: Any) -> list[Passage]:
    """The passages of a document.

    Broken where one lacks a field or begins within the last, and where all are too long together.
    """
    if not isinstance(document, dict) or not isinstance(document.get("passages"), list):
        raise Broken("broken-document", "no list of passages")
    passages: list[Passage] = []
    num_chars = 0
    for number, item in enumerate(document["passages"], start=1):
        infons, offset = (
            (item.get("infons"), item.get("offset")) if isinstance(item, dict) else (0, 0)
        )
        if not isinstance(infons, dict):
            raise Broken("broken-passage", f"passage {number} has no infons")
        if isinstance(offset, bool) or not isinstance(offset, int) or offset < 0:
            raise Broken("broken-offset", f"passage {number} has the offset {offset!r}")
        passage = Passage(as_texts(infons), offset, _read_text(item, number))
        end = passages[-1].offset + len(passages[-1].text) if passages else 0
        if offset < end:
            raise Broken("broken-offset", f"passage {number} begins at {offset}, before {end}")
        passages.append(passage)
        num_chars += len(passage.text)
        if num_chars > MAX_CHARS:
            raise Broken("too-large", f"more than {MAX_CHARS >> 20} million characters")
    return passages


def _read_text(passage: dict[str, Any], number: int) -> str:
    """Its text, or that of its sentences, which may stand instead."""
    text = passage.get("text")
    if text is None and isinstance(sentences := passage.get("sentences"), list) and sentences:
        parts = [s.get("text") if isinstance(s, dict) else None for s in sentences]
        text = " ".join(map(str, parts)) if all(isinstance(p, str) for p in parts) else None
    if not isinstance(text, str):
        raise Broken("broken-passage", f"passage {number} has no text")
    if keepable(text) != text:
        raise Broken("broken-passage", f"passage {number} holds half a character")
    return text


def keepable(text: str) -> str:
    """The text without halves of surrogate pairs, which no column can hold."""
    return text.encode("utf-8", "replace").decode()


def as_texts(infons: Mapping[Any, Any]) -> dict[str, str]:
    kept = {str(k): keepable(str(v)).strip() for k, v in infons.items() if isinstance(v, str | int)}
    return {key: value for key, value in kept.items() if value not in ("", "None", "-")}
