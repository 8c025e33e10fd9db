"""The two kinds of place: a folder, and a prefix of a bucket. Both say the same of what they hold.

Every refusal is a UserError that names the object and the next step.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from components.acquire.stored import told
from components.acquire.transfer import Part, Readable
from components.errors import UserError
from components.storage import S3, Bucket, BusyError, NotStoredError, split_address
from components.storage_advice import refusals_advised

T = TypeVar("T")
TRIED = "conditional-writes"  # an object with which a server is tried
SETTLED_S = 1.0  # when small objects that were sent at the same time have arrived
COPY_BYTES = 1 << 20
PARTIAL = ".partial-"  # what a file in a folder is called until it is whole


class Place(Protocol):
    """Objects by key, each of which appears when it is whole."""

    @property
    def address(self) -> str: ...
    def sizes(self, prefix: str) -> dict[str, int]:
        """Bytes of every object whose key begins so."""

    def read(self, key: str) -> bytes | None:
        """A small object's content; None where there is none."""

    def check(self) -> None:
        """UserError where of two who create the same key both would be told that it was free."""

    def put(self, file: BinaryIO, key: str) -> None:
        """Store an open file, whatever was there."""

    def create(self, content: bytes, key: str) -> bool:
        """Store a small object where its key is free; False where it is not."""

    def open(self, key: str, begin: int, tag: str) -> AbstractContextManager[Part]:
        """An object's content, for ``components.acquire.transfer``, in whose words it fails."""


def open_place(address: str) -> Place:
    """The place of an address; nothing is asked of it yet. UserError for one without a bucket."""
    if address.startswith(S3) and not address.removeprefix(S3).strip("/"):
        raise UserError(f"{address} names no bucket", next_command="write s3://bucket/prefix")
    return BucketPlace(address) if address.startswith(S3) else FolderPlace(Path(address))


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file from byte ``begin`` on."""

    body: Readable
    begin: int
    size: int | None
    tag: str
    md5: str = ""


class FolderPlace:
    """Objects as files below a folder, which many may write into at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def address(self) -> str:
        """The folder."""
        return self.root.as_posix()

    def sizes(self, prefix: str) -> dict[str, int]:
        """Bytes of every finished file whose path below the folder begins so."""
        top = self.root / prefix.rpartition("/")[0]
        found = {path.relative_to(self.root).as_posix(): path for path in sorted(top.rglob("*"))}
        # others' unfinished files are gone at any moment: not even their size can be asked
        whole = {k: path for k, path in found.items() if k.startswith(prefix) and PARTIAL not in k}
        return {key: path.stat().st_size for key, path in whole.items() if path.is_file()}

    def read(self, key: str) -> bytes | None:
        """A file's content; None where there is none."""
        path = self.root / key
        return path.read_bytes() if path.is_file() else None

    def check(self) -> None:
        """A file system keeps two links apart."""

    def put(self, file: BinaryIO, key: str) -> None:
        """Copy an open file; it appears under its name when it is whole."""
        with self._arrive(key) as partial:
            with partial.open("wb") as copy:
                shutil.copyfileobj(file, copy, COPY_BYTES)
            partial.replace(self.root / key)

    def create(self, content: bytes, key: str) -> bool:
        """Write a file whose name is free: a link, unlike a rename, never replaces one."""
        with self._arrive(key) as partial:
            partial.write_bytes(content)
            try:
                (self.root / key).hardlink_to(partial)
            except FileExistsError:
                return False
        return True

    @contextmanager
    def open(self, key: str, begin: int, tag: str) -> Iterator[Part]:
        """A file from a byte on; its tag is its size and time of change."""
        with told_folder(key), (self.root / key).open("rb") as file:
            facts = os.fstat(file.fileno())
            now = f"{facts.st_size}-{facts.st_mtime_ns}"
            begin = begin if tag == now else 0
            file.seek(begin)
            yield FilePart(file, begin, facts.st_size, now)

    @contextmanager
    def _arrive(self, key: str) -> Iterator[Path]:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}{PARTIAL}{secrets.token_hex(4)}")
        try:
            yield partial
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def told_folder(key: str) -> Iterator[None]:
    """A file that is not there, in the words of a transfer."""
    try:
        yield
    except FileNotFoundError as error:
        with told(key):
            raise NotStoredError(f"there is no file {error.filename}") from None


class BucketPlace:
    """Objects below a prefix of a bucket."""

    def __init__(self, address: str, *, attempts: int = 5, timeout_s: float = 60.0) -> None:
        name, self.prefix = split_address(address)
        self._address = f"{S3}{name}/{self.prefix}".rstrip("/")
        self.bucket = self._ask(
            "opened", "", lambda: Bucket(name, attempts=attempts, timeout_s=timeout_s)
        )

    @property
    def address(self) -> str:
        """Bucket and prefix."""
        return self._address

    def sizes(self, prefix: str) -> dict[str, int]:
        """Bytes of every object whose key begins so."""
        found = self._ask("listed", prefix, lambda: self.bucket.objects(self.prefix + prefix))
        return {stored.key.removeprefix(self.prefix): stored.size for stored in found}

    def read(self, key: str) -> bytes | None:
        """An object's content; None where there is none."""

        def read() -> bytes | None:
            try:
                with self.bucket.open(self.prefix + key) as part:
                    content = b"".join(iter(lambda: part.body.read(1 << 16), b""))
                if part.md5 not in ("", hashlib.md5(content, usedforsecurity=False).hexdigest()):
                    raise BusyError("what came has another md5 than what is stored")
                return content
            except NotStoredError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

        return self._ask("read", key, read)

    def check(self) -> None:
        """Create an object that stays, again: a server that says yes has not looked."""
        if self.create(b"", TRIED) and self.create(b"", TRIED):
            raise UserError(
                f"{self.address} cannot keep two publishers apart",
                why="its server does not know conditional writes (If-None-Match): a version could "
                "be written over",
                next_command="publish to a folder, or to a server that knows them, as AWS's does",
            )

    def put(self, file: BinaryIO, key: str) -> None:
        """Store an open file, in parts side by side where it is large."""
        self._ask("written", key, lambda: self.bucket.upload(file, self.prefix + key))

    def create(self, content: bytes, key: str) -> bool:
        """Store an object whose key is free; the server decides whether it is.

        Swift's looks first and writes then, so that of several at once all may be told yes, and the
        last one's stays: whoever finds another's object there a moment later was not the last.
        """
        is_told = self._ask("written", key, lambda: self.bucket.create(content, self.prefix + key))
        if not is_told:
            return False
        time.sleep(SETTLED_S)
        return self.read(key) == content

    @contextmanager
    def open(self, key: str, begin: int, tag: str) -> Iterator[Part]:
        """An object from a byte on, if it still has the tag."""
        name = f"{self.address}/{key}"
        with told(name), self.bucket.open(self.prefix + key, begin, tag) as part:
            yield part

    def _ask(self, done: str, key: str, question: Callable[[], T]) -> T:
        with refusals_advised(f"{self.address}{key and '/'}{key} could not be {done}"):
            return question()
