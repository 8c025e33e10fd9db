"""Transfers without a network: parts that break off, change, lie and fill the disk."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.acquire.transfer import (
    CHUNK_BYTES,
    SLOWEST_BYTES_S,
    Budget,
    NotFetched,
    Part,
    Sums,
    Terms,
    TryAgain,
    transfer,
)
from components.errors import UserError

BODY = bytes(range(256)) * 1200


@dataclass
class Piece:
    """A part of a file in memory that breaks off after ``cut`` bytes."""

    content: bytes
    begin: int
    size: int | None
    tag: str
    md5: str = ""
    cut: int | None = None

    @property
    def body(self) -> Piece:
        return self

    def read(self, size: int, /) -> bytes:
        if self.cut is not None and self.cut <= 0:
            raise TryAgain("the line broke")
        size = size if self.cut is None else min(size, self.cut)
        chunk, self.content = self.content[:size], self.content[size:]
        self.cut = None if self.cut is None else self.cut - len(chunk)
        return chunk


@dataclass
class Server:
    """Serves one content, over lines that break off after so many bytes, one after the other."""

    content: bytes = BODY
    cuts: list[int] = field(default_factory=list)
    tag: str = "one"
    md5: str = ""
    begun: list[int] = field(default_factory=list)

    @contextmanager
    def open(self, begin: int, tag: str) -> Iterator[Part]:
        begin = begin if tag == self.tag and begin <= len(self.content) else 0
        self.begun.append(begin)
        cut = self.cuts.pop(0) if self.cuts else None
        yield Piece(self.content[begin:], begin, len(self.content), self.tag, self.md5, cut)


def bring(server: Server, path: Path, sums: Sums | None = None, **terms: Any) -> Path:
    given = Terms(**{"sleep": lambda pause: None} | terms)
    return transfer("it", server.open, path, sums or Sums(), given)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@settings(deadline=None)
@given(st.binary(max_size=2000), st.lists(st.integers(0, 700), max_size=5), st.booleans())
def test_whatever_breaks_off_the_file_is_whole(body: bytes, cuts: list[int], tagged: bool) -> None:
    server = Server(body, list(cuts), "one" if tagged else "")
    with tempfile.TemporaryDirectory() as folder:
        path = bring(server, Path(folder, "file"), Sums(md5=hashlib.md5(body).hexdigest()))
        assert path.read_bytes() == body
        assert names(Path(folder)) == ["file"]
    assert tagged or set(server.begun) == {0}


@pytest.mark.parametrize(
    ("sums", "reason"),
    [
        (Sums(md5="0" * 32), "wrong-md5"),
        (Sums(sha256="0" * 64), "wrong-sha256"),
        (Sums(size=7), "wrong-size"),
    ],
)
def test_what_is_not_what_was_meant_is_thrown_away(tmp_path: Path, sums: Sums, reason: str) -> None:
    with pytest.raises(NotFetched) as caught:
        bring(Server(), tmp_path / "file", sums)
    assert (caught.value.reason, names(tmp_path)) == (reason, [])


def test_what_the_server_says_of_its_content_is_held_to(tmp_path: Path) -> None:
    with pytest.raises(NotFetched, match="was not downloaded") as caught:
        bring(Server(md5="0" * 32), tmp_path / "file")
    assert caught.value.reason == "wrong-md5"
    own = hashlib.md5(BODY).hexdigest()
    bring(Server(md5="0" * 32), tmp_path / "file", Sums(md5=own))  # a stated md5 goes before


def test_a_file_glued_wrongly_is_fetched_once_more_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_bytes(b"what an earlier run left, of another file")
    (tmp_path / "file.partial.etag").write_text("one")
    server = Server()
    sums = Sums(md5=hashlib.md5(BODY).hexdigest().upper())
    assert bring(server, tmp_path / "file", sums).read_bytes() == BODY
    assert server.begun == [41, 0]


def test_attempts_that_bring_something_are_not_counted(tmp_path: Path) -> None:
    body = BODY * 10
    server = Server(body, [CHUNK_BYTES] * 40)
    assert bring(server, tmp_path / "file", retries=1).read_bytes() == body
    assert len(server.begun) == 41 > len(body) // CHUNK_BYTES - 10


def test_attempts_that_bring_little_are_counted(tmp_path: Path) -> None:
    server = Server(BODY, [CHUNK_BYTES - 1] * 40)
    with pytest.raises(NotFetched, match="was not downloaded"):
        bring(server, tmp_path / "file", retries=1)
    assert len(server.begun) == 2


def test_a_file_that_is_wrong_in_the_end_is_not_fetched_for_ever(tmp_path: Path) -> None:
    server = Server(BODY, [CHUNK_BYTES, 10**9] * 40)
    with pytest.raises(NotFetched) as caught:
        bring(server, tmp_path / "file", Sums(md5="0" * 32))
    assert caught.value.reason == "server-failed"
    assert len(server.begun) < 12


def test_a_line_that_trickles_is_given_up_and_resumed(tmp_path: Path) -> None:
    server, now = Server(), iter(range(0, 10**9, 10**6))
    assert len(BODY) / 10**6 < SLOWEST_BYTES_S
    with pytest.raises(NotFetched, match="was not downloaded") as caught:
        bring(server, tmp_path / "file", clock=lambda: float(next(now)), retries=2)
    assert "bytes in 1000000 s" in caught.value.why
    assert server.begun == [0, 1 << 16, 2 << 16]


def test_the_budget_counts_over_all_files_and_stops(tmp_path: Path) -> None:
    budget = Budget(len(BODY) + 10, tmp_path)
    bring(Server(), tmp_path / "one", budget=budget)
    with pytest.raises(UserError, match=r"over acquire\.max_gib") as caught:
        bring(Server(), tmp_path / "two", budget=budget)
    assert not isinstance(caught.value, NotFetched)  # it is no fault of this one file
    assert names(tmp_path) == ["one", "two.partial", "two.partial.etag"]


def test_the_disk_keeps_some_space(tmp_path: Path) -> None:
    budget = Budget(1 << 40, tmp_path, keep_free=100, free=lambda folder: 1000)
    with pytest.raises(UserError, match="is nearly full"):
        bring(Server(), tmp_path / "one", budget=budget)


def test_a_full_disk_is_not_a_broken_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(OSError, match="No space"):
        bring(server, tmp_path / "one")
    assert server.begun == [0]


def test_only_a_file_whose_sum_is_known_counts_as_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    right = Sums(md5=hashlib.md5(b"x").hexdigest(), size=1)
    assert not right.hold(path)
    path.write_bytes(b"x")
    assert right.hold(path)
    assert not Sums(size=1).hold(path)
    assert not Sums(md5="0" * 32).hold(path)
