"""Many questions: a folder of images, or rows of JSON; a bad one is named and ends nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import Field

from components.errors import UserError
from components.schema import Section, validate
from components.serving.pictures import list_pictures
from components.serving.requests import Request
from components.serving.served import BATCH, Reply, ServedModel

STDIN = "-"
ECHOED = ("id", "image", "question")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked, or why it cannot be; ``name`` says where it stands, ``given`` is echoed."""

    name: str
    request: Request | UserError
    given: Mapping[str, Any] = field(default_factory=dict)


class Row(Section):
    """A line of JSON. ``image`` is a path from the folder of the file."""

    id: str = ""
    image: str = ""
    question: str = ""
    text: str = ""
    options: list[str] = Field(default_factory=list)
    task: str = ""
    frame: str = ""


def list_folder(folder: Path, like: Request) -> Iterator[Asked]:
    """The same question about every image of a folder; UserError where it holds none."""
    for path in list_pictures(folder):
        yield Asked(path.name, replace(like, image=path), {"image": path.name})


def read_rows(file: str) -> Iterator[Asked]:
    """What the lines of a file ask, or of the standard input (``-``); empty lines are no rows."""
    path = Path(file)
    if file != STDIN and not path.is_file():
        raise UserError(f"there is no file {file}", next_command="check the path for a slip")
    base = Path() if file == STDIN else path.parent
    with nullcontext(sys.stdin.buffer) if file == STDIN else path.open("rb") as lines:
        yield from _parse_lines(lines, base)


def answer_each(
    model: ServedModel, asked: Iterable[Asked]
) -> Iterator[tuple[Asked, Reply | UserError]]:
    """Each thing asked with its reply, or with why there is none, batch by batch."""
    waiting = iter(asked)
    while batch := list(islice(waiting, BATCH)):
        requests = [one.request for one in batch if isinstance(one.request, Request)]
        replies = model.ask_each(requests)
        for one in batch:
            yield one, next(replies) if isinstance(one.request, Request) else one.request


def _parse_lines(lines: BinaryIO, base: Path) -> Iterator[Asked]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = _parse_line(line, number)
        except UserError as error:
            yield Asked(f"line {number}", error, {"line": number})
            continue
        image = base / row.image if row.image else None
        request = Request(image, row.question, row.text, row.options, row.task, row.frame)
        told = {name: getattr(row, name) for name in ECHOED if getattr(row, name)}
        yield Asked(f"line {number}", request, {"line": number, **told})


def _parse_line(line: bytes, number: int) -> Row:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"line {number} is no JSON", why=str(error)[:200]) from None
    if not isinstance(values, dict):
        raise UserError(f"line {number} is no object", why=f"it is a {type(values).__name__}")
    return validate(Row, values, f"line {number}")
