"""The bytes of a file, inflated where it is gzip, within limits that no honest file reaches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from isal import isal_zlib

CHUNK_BYTES = 1 << 16
MAX_PIECE_BYTES = 1 << 20  # what one step may inflate to, whatever the chunk claims
GZIP = b"\x1f\x8b"
GZIP_WINDOW = 31  # zlib's way to say: with a gzip header
# NLM's files inflate five to ten times, to a third of a gigabyte.
MAX_BYTES = 32 << 30
MAX_RATIO, RATIO_COUNTS_FROM = 250, 64 << 20


class Damaged(Exception):  # noqa: N818
    """The file ends early or breaks down from here on: a short reason, and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def read_chunks(path: Path) -> Iterator[bytes]:
    """Plain bytes of a file, piece by piece; raises Damaged after the last whole one.

    A gzip file may have several members and zeros after them. One that ends early is
    ``truncated``; one that inflates beyond the limits is ``oversized``.
    """
    with path.open("rb") as file:
        is_gzip = file.read(2) == GZIP
        file.seek(0)
        raw_chunks = iter(lambda: file.read(CHUNK_BYTES), b"")
        yield from _inflate(raw_chunks) if is_gzip else raw_chunks


def _inflate(raw_chunks: Iterator[bytes]) -> Iterator[bytes]:
    member = None
    num_in = num_out = 0
    for raw in raw_chunks:
        num_in += len(raw)
        rest = raw
        while rest:
            member = member or isal_zlib.decompressobj(GZIP_WINDOW)
            try:
                piece = member.decompress(rest, MAX_PIECE_BYTES)
            except isal_zlib.IsalError as error:  # type: ignore[misc]  # a class all the same
                raise Damaged("truncated", f"damaged gzip stream: {error}") from None
            num_out += len(piece)
            _check_size(num_in, num_out)
            yield piece
            rest = member.unused_data.lstrip(b"\0") if member.eof else member.unconsumed_tail
            member = None if member.eof else member
    if member is not None:
        yield member.flush()
        raise Damaged("truncated", "the gzip stream ends before its end mark")


def _check_size(num_in: int, num_out: int) -> None:
    if num_out > MAX_BYTES:
        raise Damaged("oversized", f"it inflates to more than {MAX_BYTES >> 30} GB")
    if num_out > RATIO_COUNTS_FROM and num_out > MAX_RATIO * num_in:
        raise Damaged("oversized", f"it inflates more than {MAX_RATIO} times")
