"""One file from anywhere: resumed where it broke off, checked, whole under its name or not there.

Where the bytes come from is the business of an ``Open``: components/acquire/download.py speaks
HTTPS, components/acquire/pmc_bucket.py S3.
"""

from __future__ import annotations

import hashlib
import queue
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from components.errors import UserError
from components.redaction import redact

T = TypeVar("T")
CHUNK_BYTES = 1 << 16
LONGEST_WAIT_S = 60.0
SLOWEST_BYTES_S = 512  # a line slower than this is given up, when patience ends
MAX_FILE_BYTES = 8 << 30
KEEP_FREE_BYTES = 1 << 30


class NotFetched(UserError):  # noqa: N818 (it is what happened)
    """One item that could not be had. ``reason`` is short, for counting."""

    def __init__(self, name: str, reason: str, why: str) -> None:
        super().__init__(
            f"{name} was not downloaded",
            why=redact(why),  # an address may be signed, and rejects are kept
            next_command="get the file yourself and set acquire.mode to local (see its card)",
        )
        self.name, self.reason = name, reason


class TryAgain(Exception):  # noqa: N818 (it is what to do)
    """What may pass: a broken line, a busy server, which may say for how long.

    ``came_on`` says that the attempt brought something: the next one is a first one again.
    """

    def __init__(self, cause: str, pause_s: float = 0.0, *, came_on: bool = False) -> None:
        super().__init__(cause)
        self.cause, self.pause_s, self.came_on = cause, pause_s, came_on


class StartOver(TryAgain):
    """What was received so far is no beginning of the file that is there now."""


class TooSlow(TryAgain):
    """A line that gives what it has, and has too little."""


class Readable(Protocol):
    """A stream of bytes: up to ``size`` of them, none at its end."""

    def read(self, size: int, /) -> bytes: ...


class Part(Protocol):
    """What a server sends of a file: the bytes from ``begin`` on.

    ``size`` is the whole file's, None where it is not told; ``tag`` is a strong tag of this
    content, "" where there is none; ``md5`` is the content's, "" where it is not told.
    """

    @property
    def body(self) -> Readable: ...
    @property
    def begin(self) -> int: ...
    @property
    def size(self) -> int | None: ...
    @property
    def tag(self) -> str: ...
    @property
    def md5(self) -> str: ...


Open = Callable[[int, str], AbstractContextManager[Part]]  # from which byte on, if the tag fits


@dataclass(frozen=True, slots=True)
class Sums:
    """What is known of a file's content beforehand; "" and None for what is not."""

    sha256: str = ""
    md5: str = ""
    size: int | None = None

    def fault(self, path: Path) -> tuple[str, str] | None:
        """None where the file is as it should be, else a reason and what was found."""
        found = path.stat().st_size
        if self.size is not None and found != self.size:
            return "wrong-size", f"it has {found} bytes, not {self.size}"
        for name, right in (("sha256", self.sha256), ("md5", self.md5)):
            if right and (digest := _digest(path, name)) != right.lower():
                return f"wrong-{name}", f"its {name} is {digest}, not {right}"
        return None

    def hold(self, path: Path) -> bool:
        """Whether a file is there whose content is known to be right."""
        known = bool(self.sha256 or self.md5)
        return known and path.is_file() and self.fault(path) is None


class Budget:
    """What one run may receive, over all threads; and the space that the disk must keep."""

    def __init__(
        self,
        max_bytes: int,
        folder: Path,
        *,
        keep_free: int = KEEP_FREE_BYTES,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self.max_bytes, self.folder, self.keep_free, self._free = max_bytes, folder, keep_free, free
        self._lock, self.received = threading.Lock(), 0

    def take(self, num_bytes: int) -> None:
        """Count bytes before they are written; UserError where they are too many."""
        with self._lock:
            self.received += num_bytes
            received = self.received
        kept = f"what is whole stays in {self.folder}, and the next run goes on from there"
        if received > self.max_bytes:
            raise UserError(
                f"the download is over acquire.max_gib ({self.max_bytes / 2**30:g} GiB)",
                why=f"{kept}; it counts what one run receives of one source",
                next_command="raise acquire.max_gib in params.yaml, or choose less",
            )
        if self._free(self.folder) < self.keep_free + num_bytes:
            raise UserError(
                f"the disk of {self.folder} is nearly full",
                why=f"{self.keep_free >> 20} MiB are kept free; {kept}",
                next_command="free some space, or choose less in params.yaml (acquire)",
            )


@dataclass(frozen=True)
class Terms:
    """What all transfers of a run have in common."""

    max_bytes: int = MAX_FILE_BYTES
    retries: int = 5
    timeout_s: float = 60.0  # of a silent line
    patience_s: float = 60.0  # with a slow one
    budget: Budget | None = None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


def persist(name: str, attempt: Callable[[], T], terms: Terms) -> T:
    """What ``attempt`` returns, made again after TryAgain with growing pauses.

    Raises NotFetched, reason "server-failed", when ``terms.retries`` more attempts failed too, all
    without coming on.
    """
    number = 0
    while number <= terms.retries:
        try:
            return attempt()
        except TryAgain as error:
            cause, pause_s = error.cause, error.pause_s
            number = 0 if error.came_on else number + 1
        if number <= terms.retries:
            terms.sleep(min(LONGEST_WAIT_S, max(pause_s, 2.0 ** max(number - 1, 0))))
    why = f"{terms.retries + 1} attempts failed, the last: {cause}"
    raise NotFetched(name, "server-failed", why)


def hurried(call: Callable[[], T], limit_s: float) -> T:
    """What ``call`` returns; TryAgain where it takes longer: timeouts only see a silent line.

    The call itself cannot be stopped: its thread ends with the line, or with the process.
    """
    done: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            done.put((call(), None))
        except BaseException as error:
            done.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        found, error = done.get(timeout=limit_s)
    except queue.Empty:
        raise TryAgain(f"no whole answer within {limit_s:.0f} s") from None
    if error is not None:
        raise error
    return found  # type: ignore[return-value]


def transfer(name: str, opener: Open, path: Path, sums: Sums, terms: Terms) -> Path:
    """Bring a file to ``path``; it has this name only when it is whole and its sums are right.

    What was received before a break is kept as ``<name>.partial`` and continued, unless the
    file has changed since. A file glued from parts whose sums are wrong is fetched once more as
    a whole. Raises NotFetched; UserError where the budget is spent.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    arrival = _Arrival(name, path.with_name(path.name + ".partial"), sums, terms)
    persist(name, lambda: arrival.receive(opener), terms)
    arrival.partial.replace(path)
    arrival.tag_file.unlink(missing_ok=True)
    return path


class _Arrival:
    """A file on its way: its partial file, and the tag that says of what it is a part."""

    def __init__(self, name: str, partial: Path, sums: Sums, terms: Terms) -> None:
        self.name, self.partial, self.sums, self.terms = name, partial, sums, terms
        self.tag_file = partial.with_name(partial.name + ".etag")
        self.was_wrong = False

    def receive(self, opener: Open) -> None:
        """Bring the partial file to its full length and check it, or raise what stopped it."""
        begin, tag = 0, ""
        if self.partial.is_file() and self.tag_file.is_file():
            begin, tag = self.partial.stat().st_size, self.tag_file.read_text()
        try:
            with opener(begin, tag) as part:
                self._write(part)
                begin, md5 = part.begin, part.md5
        except StartOver:
            self.forget()
            raise
        except TryAgain as error:
            held = self.partial.stat().st_size if self.tag_file.is_file() else 0
            # a byte a time would go on for ever, and so would a file that is wrong in the end
            endless = isinstance(error, TooSlow) or self.was_wrong
            came_on = held >= begin + CHUNK_BYTES and not endless
            raise TryAgain(error.cause, error.pause_s, came_on=came_on) from None
        known = self.sums.md5 or self.sums.sha256
        fault = (self.sums if known else Sums(md5=md5, size=self.sums.size)).fault(self.partial)
        if fault is not None:
            self.was_wrong = True
            self.forget()
            if begin:
                raise TryAgain(fault[1])
            raise NotFetched(self.name, *fault)

    def _write(self, part: Part) -> None:
        self._check_size(part.size or 0)
        self.tag_file.unlink(missing_ok=True)
        if part.tag:
            self.tag_file.write_text(part.tag)
        since, before = self.terms.clock(), part.begin
        with self.partial.open("ab" if part.begin else "wb") as file:
            while chunk := part.body.read(CHUNK_BYTES):
                self._check_size(file.tell() + len(chunk))
                if self.terms.budget:
                    self.terms.budget.take(len(chunk))
                file.write(chunk)
                took = self.terms.clock() - since
                if took > self.terms.patience_s:
                    if file.tell() - before < SLOWEST_BYTES_S * took:
                        raise TooSlow(f"{file.tell() - before} bytes in {took:.0f} s")
                    since, before = self.terms.clock(), file.tell()
            if part.size is not None and file.tell() != part.size:
                raise TryAgain(f"IncompleteRead: {part.size - file.tell()} bytes are missing")

    def _check_size(self, num_bytes: int) -> None:
        if num_bytes > self.terms.max_bytes:
            why = f"it is over the limit of {self.terms.max_bytes} bytes"
            raise NotFetched(self.name, "too-large", why)

    def forget(self) -> None:
        """Throw away what was received."""
        self.partial.unlink(missing_ok=True)
        self.tag_file.unlink(missing_ok=True)


def _digest(path: Path, name: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(name, usedforsecurity=False)
        ).hexdigest()
