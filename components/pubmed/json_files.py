"""JSON files within bounds: whole where they are small, line by line where they are large."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.pubmed.passages import parse_json
from components.records import Reject

# What is parsed at once, and what its values may take. An article of BioC-PMC has some 100 kB, and
# takes some eight times as much.
MAX_BYTES, MAX_WEIGHT = 16 << 20, 128 << 20
# Bytes that each byte of JSON takes, as bytes, as text and as values; and each value and container.
BYTE_WEIGHT, VALUE_WEIGHT, CONTAINER_WEIGHT = 4, 72, 200
LIMIT = f"{MAX_BYTES >> 20} MiB, or what takes some {MAX_WEIGHT >> 20} MiB of memory"


def read_values(path: Path, name: str) -> Iterator[tuple[str, Any]]:
    """(place, value) of a JSON file, or of its lines where a value stands on each.

    A file of more than MAX_BYTES, or whose values would take more than MAX_WEIGHT, is read where
    its first line is a value of its own, as of PubTator's files; else, and for a line of more,
    there is a Reject.
    """
    num_bytes = path.stat().st_size
    if num_bytes <= MAX_BYTES and _is_light(content := path.read_bytes()):
        yield from parse_json(content, name)
        return
    for number, line in enumerate(_read_lines(path), start=1):
        place = f"{name}:{number}"
        is_light = len(line) <= MAX_BYTES and _is_light(line)
        value = _parse_line(line, place) if is_light else None
        if number == 1 and not isinstance(value, dict):
            detail = f"{num_bytes} bytes, no document a line; at most {LIMIT}, is read at once"
            yield name, Reject(name, "too-large", detail)
            return
        if not is_light:
            yield place, Reject(place, "too-large", f"a line of more than {LIMIT}")
        elif line.strip():
            yield place, value


def _is_light(content: bytes) -> bool:
    """Whether what a piece of JSON takes in memory, about, is not too much."""
    values = VALUE_WEIGHT * (content.count(b",") + content.count(b"\n"))
    containers = CONTAINER_WEIGHT * (content.count(b"{") + content.count(b"["))
    return BYTE_WEIGHT * len(content) + values + containers <= MAX_WEIGHT


def _read_lines(path: Path) -> Iterator[bytes]:
    """Lines, of a long one the first MAX_BYTES + 1 bytes."""
    with path.open("rb") as file:
        while line := file.readline(MAX_BYTES + 1):
            yield line
            while len(line) > MAX_BYTES and not line.endswith(b"\n"):
                line = file.readline(MAX_BYTES + 1)


def _parse_line(line: bytes, place: str) -> Any:
    return next((value for _, value in parse_json(line, place)), None) if line.strip() else None
