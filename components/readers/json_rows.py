"""JSON as it is published: one list of objects, one object of objects, or one object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.records import Reject

Found = tuple[int, dict[str, Any] | Reject]


def unreadable(path: Path, why: str) -> UserError:
    """The error for a file that gives no record at all."""
    return UserError(
        f"{path} cannot be read",
        why=why,
        next_command="fetch the file again (data/cards says where), then give the same command",
    )


def read_json_records(path: Path, name: str) -> Iterator[Found]:
    """Yield (number, object) for each record, counted from 1; a Reject where one is broken.

    ``name`` stands for the file in origins. A file that starts with ``[`` is one list; any other
    holds one object per line. Raises UserError when the file holds no object at all.
    """
    content = path.read_bytes()
    if b"\0" in content[:4]:  # no JSON in UTF-8 begins so, any in UTF-16 does
        raise unreadable(path, "it is in UTF-16 or UTF-32; save it as UTF-8")
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        yield from _read_list(path, content, name)
    else:
        yield from _read_lines(path, content, name)


def read_json_object(path: Path) -> dict[str, Any]:
    """A file that is one JSON object; UserError for anything else."""
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise unreadable(path, f"it is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise unreadable(path, f"it holds a JSON {type(value).__name__}, not an object")
    return value


def _read_list(path: Path, content: bytes, name: str) -> Iterator[Found]:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise unreadable(path, f"it is not JSON: {error}") from None
    if not values:
        raise unreadable(path, "the list is empty")
    for number, value in enumerate(values, start=1):
        yield number, _expect_object(value, f"{name}#{number}")


def _read_lines(path: Path, content: bytes, name: str) -> Iterator[Found]:
    num_objects, first_fault = 0, "the file is empty"
    rejects: list[Found] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        origin = f"{name}#{number}"
        try:
            found = _expect_object(json.loads(line), origin)
        except (ValueError, RecursionError) as error:
            found = Reject(origin, "broken-json", str(error)[:200])
        if isinstance(found, Reject):
            first_fault = found.detail if not rejects else first_fault
            if not num_objects:
                rejects.append((number, found))  # held back: the file may not be JSON lines at all
                continue
        elif not num_objects:
            yield from rejects
            num_objects = 1
        yield number, found
    if not num_objects:
        raise unreadable(path, f"it is neither a JSON list nor JSON lines: {first_fault}")


def _expect_object(value: Any, origin: str) -> dict[str, Any] | Reject:
    if isinstance(value, dict):
        return value
    return Reject(origin, "not-an-object", f"found {type(value).__name__}")
