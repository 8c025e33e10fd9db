"""Long documents in windows of the model's length: where they are cut, and which one is next.

A document is a text whose paragraphs are lines and whose sections begin after an empty line. Its
windows follow each other without gap or overlap. They are cut by length in bytes when a run starts,
which takes no tokenizer, and by tokens when they are drawn.
"""

from __future__ import annotations

import mmap
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from components.errors import UserError
from components.tokenization.text import space_words
from components.tokenization.vocabulary import Vocabulary

SECTION, PARAGRAPH = b"\n\n", b"\n"
SPACE = re.compile(rb"[ \n]")
STOPS = (b". ", b"? ", b"! ", *(mark.encode() for mark in "\u3002\uff01\uff1f"))
BEGINS_SENTENCE = re.compile(rb"[\"'(\[]?[A-Z0-9\x80-\xff]")
NO_END = re.compile(rb"\b(?:[Ff]igs?|et al|e\.g|i\.e|vs|\w)$")  # a stop after these ends nothing
NO_END_BYTES = 8
LONGEST_MARK = 3  # bytes of what a window may be cut after
FILL = 0.9  # how full a window is meant to be: some have more tokens for their bytes than others
SMALLEST_WINDOW = 6  # tokens; any character fits into so many
NUM_MEASURED, MEASURED_BYTES = 64, 4000  # documents whose tokens are counted to know the ratio


def mark_sections(text: str, headings: Sequence[str]) -> str:
    """The text with an empty line before each section.

    ``headings`` are those of the sections, in order. A heading is a line of its own, or the label
    at a line's start (``Methods: We did.``), as abstracts have it.
    """
    lines: list[str] = []
    waiting = iter(headings)
    heading = next(waiting, None)
    for line in text.split("\n"):
        if heading is not None and (line == heading or line.startswith(f"{heading}: ")):
            lines.append("")
            heading = next(waiting, None)
        lines.append(line)
    return "\n".join(lines).strip("\n")


class Documents:
    """Texts one after another in an unnamed file, which memory maps: a store of any size.

    The file lies where the system keeps temporary ones (TMPDIR), and is gone with the object.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        ends = [0]
        self.content: mmap.mmap | bytes = b""
        with tempfile.TemporaryFile() as file:
            for text in texts:
                ends.append(ends[-1] + file.write(text.strip().encode()))
            file.flush()
            if ends[-1]:
                self.content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.ends = np.array(ends[1:], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.ends)

    def spans(self) -> Iterator[tuple[int, int]]:
        """Where each document begins and ends."""
        begin = 0
        for end in self.ends.tolist():
            yield begin, end
            begin = end


class Windows:
    """The windows of all documents: ``len`` many in an epoch, each once.

    A long document counts as its many windows. Where a window has more tokens than fit, its parts
    take turns, an epoch each. Words are never cut, but for one that alone has too many tokens.
    """

    def __init__(self, documents: Documents, vocabulary: Vocabulary, max_tokens: int) -> None:
        if max_tokens < SMALLEST_WINDOW:
            raise UserError(
                f"{max_tokens} tokens are left for a window of text",
                why="the prompt around it takes the rest of pretrain.max_source_tokens",
                next_command="raise max_source_tokens under pretrain in params.yaml",
            )
        self.documents, self.vocabulary, self.max_tokens = documents, vocabulary, max_tokens
        max_bytes = max(int(FILL * max_tokens * self._bytes_per_token()), 1)
        cuts = (c for span in documents.spans() for c in cut(documents.content, *span, max_bytes))
        self.ends = np.fromiter(cuts, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.ends)

    def tokens(self, index: int, epoch: int) -> list[int]:
        """The ids of a window in an epoch: at most ``max_tokens``, whole words."""
        parts = self.parts(index)
        return parts[epoch % len(parts)]

    def parts(self, index: int) -> list[list[int]]:
        """The ids of a window, in as many parts as it takes to keep each within the limit."""
        begin = int(self.ends[index - 1]) if index else 0
        return self._fit(bytes(self.documents.content[begin : int(self.ends[index])])) or [[]]

    def _fit(self, content: bytes) -> list[list[int]]:
        ids = self._encode(content)
        if len(ids) <= self.max_tokens:
            return [ids] if ids else []
        shorter = max(len(content) * self.max_tokens // len(ids), 1)
        if SPACE.search(content.strip()):
            ends = cut(content, 0, len(content), shorter)
        else:
            ends = _break_word(content, shorter)
        pieces = (content[a:b] for a, b in pairwise([0, *ends]))
        return [part for piece in pieces for part in self._fit(piece)]

    def _encode(self, content: bytes) -> list[int]:
        """Ids of lower-cased words, one space before each."""
        return self.vocabulary.encode(space_words(content.decode("utf-8", "replace")))

    def _bytes_per_token(self) -> float:
        """Measured on the beginnings of documents that are spread evenly over all."""
        spans = list(self.documents.spans())
        chosen = spans[:: max(len(spans) // NUM_MEASURED, 1)]
        starts = [self.documents.content[a : min(b, a + MEASURED_BYTES)] for a, b in chosen]
        num_tokens = sum(len(self._encode(bytes(start))) for start in starts)
        return sum(map(len, starts)) / max(num_tokens, 1)


def cut(content: mmap.mmap | bytes, begin: int, end: int, max_bytes: int) -> Iterator[int]:
    """Ends of the windows of a document, the last at its end.

    A window of at most ``max_bytes`` ends before a section where one begins in the second half of
    what it may hold, else after a paragraph, else after a sentence, else after a word: none is
    shorter than half by more than a word. Only a word that does not fit makes a window longer.
    """
    half = max_bytes // 2
    while end - begin > max_bytes:
        begin = _find_cut(content, begin, begin + half, min(begin + max_bytes, end - half), end)
        yield begin
    if end > begin:
        yield end


def _find_cut(content: mmap.mmap | bytes, begin: int, first: int, last: int, end: int) -> int:
    """The best place to cut in [first, last], which lies behind ``begin``; else one near it."""
    first = max(first, begin + LONGEST_MARK)
    for mark in (SECTION, PARAGRAPH):
        found = content.rfind(mark, first - len(mark), last)
        if found >= 0:
            return found + len(mark)
    sentence = max(_find_sentence(content, stop, first, last) for stop in STOPS)
    space = sentence or content.rfind(b" ", first - 1, last) + 1
    return space or _find_space(content, begin, last, end)


def _find_space(content: mmap.mmap | bytes, begin: int, place: int, end: int) -> int:
    """The end of the last word before ``place`` and behind ``begin``, else of the next, or all."""
    before = max(content.rfind(mark, begin + 1, place) for mark in (b" ", b"\n"))
    after = None if before >= 0 else SPACE.search(content, place, end)
    return before + 1 if before >= 0 else after.end() if after else end


def _find_sentence(content: mmap.mmap | bytes, stop: bytes, first: int, last: int) -> int:
    """The last end in [first, last] of a sentence that ends by ``stop``; 0 where there is none."""
    found = content.rfind(stop, first - len(stop), last)
    while found >= 0:
        before = content[max(found - NO_END_BYTES, 0) : found]
        place = found + len(stop)
        if BEGINS_SENTENCE.match(content, place) and not NO_END.search(before):
            return place
        found = content.rfind(stop, first - len(stop), found + len(stop) - 1)
    return 0


def _break_word(content: bytes, max_bytes: int) -> Iterator[int]:
    """Ends of the pieces of a word that is longer than a window: one character of UTF-8 or more."""
    end = 0
    while end < len(content):
        begin, end = end, min(end + max_bytes, len(content))
        while end > begin and _is_within(content, end):
            end -= 1
        end = max(end, begin + 1)
        while _is_within(content, end):
            end += 1
        yield end


def _is_within(content: bytes, place: int) -> bool:
    """Whether a character of UTF-8 goes on at a place."""
    return place < len(content) and content[place] & 0xC0 == 0x80
