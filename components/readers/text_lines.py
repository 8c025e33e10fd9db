"""Plain text with a sentence to each line, as the text that BlueBERT was pretrained on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.cards import Card
from components.readers.files import find_split_files, name_apart
from components.readers.json_rows import unreadable
from components.records import RawRow

MAX_LINES = 64  # of a text, should no empty line end it: memory holds one


def read_text_line_rows(card: Card, root: Path) -> Iterator[RawRow]:
    """Yield a row per text: the lines up to an empty one, at most 64. One is in memory at a time.

    Raises UserError for a file that is not UTF-8 or holds no text.
    """
    files = find_split_files(card, root)
    called = name_apart({file.name: Path(file.name).stem for file in files})
    for file in files:
        num_texts = 0
        for first, text in _read_texts(file.path):
            num_texts += 1
            yield RawRow(
                id=f"{called[file.name]}/{first}",
                split=file.split,
                fields={"text": text},
                origin=f"{file.name}#{first}",
            )
        if not num_texts:
            raise unreadable(file.path, "it holds no text")


def _read_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Number of the first line, and the lines in one."""
    lines: list[str] = []
    number = 0
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    lines.append(line.strip())
                if lines and (not line.strip() or len(lines) == MAX_LINES):
                    yield number - len(lines) + bool(line.strip()), " ".join(lines)
                    lines = []
    except UnicodeDecodeError as error:
        raise unreadable(path, f"it is not UTF-8 after line {number}: {error}") from None
    if lines:
        yield number - len(lines) + 1, " ".join(lines)
