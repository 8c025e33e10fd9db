"""MedDialog's text files: ``id=``, an address, Description and Dialogue, one consultation each.

Fields as the reference makes them: the dialogue is the text, its description the summary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from components.cards import Card
from components.readers.files import find_split_files
from components.readers.json_rows import unreadable
from components.readers.values import BadValue, as_group, as_text
from components.records import RawRow, Reject

# the number of a record, alone in its line; a patient's own "id=" elsewhere begins nothing
RECORD = re.compile(r"^id=(\d+)[ \t]*$", re.MULTILINE)
PARTS = re.compile(r"^Description[ \t]*\n(.*?)^Dialogue[ \t]*\n(.*)", re.MULTILINE | re.DOTALL)
QUESTION_MARK = re.compile(r"^Q\.\s*")


def read_dialogue_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per consultation; ids begin anew in each file, so its name is part of them.

    The reference strips the letter Q, full stops and spaces from both ends of a description; here
    ``Q.`` before it and spaces go, and no word loses a letter. Equal dialogues are one group.
    Without a Description and a Dialogue after it, or with either empty, a record is a Reject; a
    later line with one of these words is the speakers'. Raises UserError for a file that holds no
    record or is not UTF-8.
    """
    for file in find_split_files(card, root):
        content = _read_text(file.path)
        starts = list(RECORD.finditer(content))
        if not starts:
            raise unreadable(file.path, "no line of it is an id=NUMBER")
        if content[: starts[0].start()].strip():
            yield Reject(f"{file.name}#0", "text-before-record", content.strip()[:80])
        ends = [start.start() for start in starts[1:]] + [len(content)]
        for number, (start, end) in enumerate(zip(starts, ends, strict=True), start=1):
            origin = f"{file.name}#{number}"
            try:
                fields = _read_fields(content[start.end() : end])
            except BadValue as bad:
                yield Reject(origin, bad.reason, f"id={start.group(1)} {bad.detail}".strip())
                continue
            yield RawRow(
                id=f"{Path(file.name).with_suffix('').as_posix()}/{number}",
                split=file.split,
                fields=fields,
                origin=origin,
                group=as_group(fields["text"]),
            )


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable(path, f"it is not UTF-8: {error}") from None


def _read_fields(record: str) -> dict[str, str]:
    found = PARTS.search(record)
    if not found:
        raise BadValue("wrong-parts", "no line Description and line Dialogue after it")
    description, dialogue = found.groups()
    summary = QUESTION_MARK.sub("", " ".join(description.split()))
    return {
        "text": as_text(" ".join(dialogue.split()), "text"),
        "summary": as_text(summary, "summary"),
    }
