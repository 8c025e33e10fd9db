"""JSON files within bounds: whole where they are small, line by line where they are large."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.pubmed.passages import parse_json
from components.records import Reject

# What is parsed at once: its values take some eight times as much memory. An article of BioC-PMC
# has some 100 kB.
MAX_BYTES = 16 << 20


def read_values(path: Path, name: str) -> Iterator[tuple[str, Any]]:
    """(place, value) of a JSON file, or of its lines where a value stands on each.

    A file of more than MAX_BYTES is read where its first line is a value of its own, as of
    PubTator's files; else, and for a line of more, there is a Reject.
    """
    num_bytes = path.stat().st_size
    if num_bytes <= MAX_BYTES:
        yield from parse_json(path.read_bytes(), name)
        return
    for number, line in enumerate(_read_lines(path), start=1):
        place = f"{name}:{number}"
        value = _parse_line(line, place) if len(line) <= MAX_BYTES else None
        if number == 1 and not isinstance(value, dict):
            detail = f"{num_bytes} bytes, no document a line; at most {MAX_BYTES} are read at once"
            yield name, Reject(name, "too-large", detail)
            return
        if len(line) > MAX_BYTES:
            yield place, Reject(place, "too-large", f"a line of more than {MAX_BYTES} bytes")
        elif line.strip():
            yield place, value


def _read_lines(path: Path) -> Iterator[bytes]:
    """Lines, of a long one the first MAX_BYTES + 1 bytes."""
    with path.open("rb") as file:
        while line := file.readline(MAX_BYTES + 1):
            yield line
            while len(line) > MAX_BYTES and not line.endswith(b"\n"):
                line = file.readline(MAX_BYTES + 1)


def _parse_line(line: bytes, place: str) -> Any:
    return next((value for _, value in parse_json(line, place)), None) if line.strip() else None
