"""JSON as it is published: one list of objects, one object of objects, or one object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from components.errors import UserError
from components.records import Reject

Found = tuple[int, dict[str, Any] | Reject]
CHUNK = 1 << 14  # read at a time: small, as what is left of it is copied for each record
SPACES = " \t\r\n"


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
    holds one object per line. Memory holds one record of either, and CHUNK of the file. Raises
    UserError when the file holds no object at all, and where a list breaks off.
    """
    with path.open("rb") as file:
        head = file.read(CHUNK)
    if b"\0" in head[:4]:  # no JSON in UTF-8 begins so, any in UTF-16 does
        raise unreadable(path, "it is in UTF-16 or UTF-32; save it as UTF-8")
    if head.lstrip(b"\xef\xbb\xbf" + SPACES.encode()).startswith(b"["):
        yield from _read_list(path, name)
    else:
        yield from _read_lines(path, name)


def read_json_object(path: Path) -> dict[str, Any]:
    """A file that is one JSON object; UserError for anything else."""
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise unreadable(path, f"it is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise unreadable(path, f"it holds a JSON {type(value).__name__}, not an object")
    return value


def _read_list(path: Path, name: str) -> Iterator[Found]:
    number = 0
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, value in enumerate(_scan_list(file), start=1):
                yield number, _expect_object(value, f"{name}#{number}")
    except (ValueError, RecursionError) as error:
        why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise unreadable(path, f"it is not JSON after record {number}: {why}") from None
    if not number:
        raise unreadable(path, "the list is empty")


def _scan_list(file: TextIO) -> Iterator[Any]:
    """The values of a JSON list, one after another; ValueError where it is not whole."""
    text = _skip_space(_skip_space("", file)[1:], file)
    while not text.startswith("]"):
        value, text = _scan_value(text, file)
        yield value
        text = _skip_space(text, file)
        if text.startswith(","):
            text = _skip_space(text[1:], file)
            if text.startswith("]"):
                raise ValueError("a comma ends the list")
        elif not text.startswith("]"):
            raise ValueError("neither a comma nor the end of the list follows")
    if _skip_space(text[1:], file):
        raise ValueError("more follows the list")


def _scan_value(text: str, file: TextIO) -> tuple[Any, str]:
    """The value that a text begins with, and what follows; the text goes on in the file."""
    while True:
        fault: json.JSONDecodeError | None = None
        end = len(text)
        try:
            value, end = json.JSONDecoder().raw_decode(text)
        except json.JSONDecodeError as error:
            fault = error
        if end < len(text):
            return value, text[end:]
        more = file.read(max(CHUNK, len(text)))  # twice as much is tried, as long as there is more
        if not more and fault:
            raise fault
        if not more:
            return value, ""
        text += more


def _skip_space(text: str, file: TextIO) -> str:
    """The text, or where it is spaces alone what the file has after it, from the first letter."""
    text = text.lstrip(SPACES)
    while not text and (more := file.read(CHUNK)):
        text = more.lstrip(SPACES)
    return text


def _read_lines(path: Path, name: str) -> Iterator[Found]:
    num_objects, first_fault = 0, "the file is empty"
    rejects: list[Found] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            found = _read_line(line, f"{name}#{number}")
            if isinstance(found, Reject):
                first_fault = found.detail if not rejects else first_fault
                if not num_objects:
                    rejects.append((number, found))  # the file may not be JSON lines at all
                    continue
            elif not num_objects:
                yield from rejects
                num_objects = 1
            yield number, found
    if not num_objects:
        raise unreadable(path, f"it is neither a JSON list nor JSON lines: {first_fault}")


def _read_line(line: bytes, origin: str) -> dict[str, Any] | Reject:
    try:
        return _expect_object(json.loads(line), origin)
    except (ValueError, RecursionError) as error:
        return Reject(origin, "broken-json", str(error)[:200])


def _expect_object(value: Any, origin: str) -> dict[str, Any] | Reject:
    if isinstance(value, dict):
        return value
    return Reject(origin, "not-an-object", f"found {type(value).__name__}")
