"""Objects of a bucket brought to files: with patience, resumed, and held to their checksums."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from components.acquire.transfer import (
    NotFetched,
    Part,
    StartOver,
    Sums,
    Terms,
    TryAgain,
    hurried,
    persist,
    transfer,
)
from components.storage import (
    BusyError,
    ChangedError,
    NotStoredError,
    ReadableBucket,
    StorageError,
    StoredObject,
)

T = TypeVar("T")
LONGEST_NAME = 200
MIB = 1 << 20
# How large the tools that people use (AWS's own, rclone, s3cmd, ...) make the parts of an upload
PART_MIBS = (5, 8, 10, 15, 16, 25, 32, 50, 64, 100, 128, 256, 512, 1024)
OF_PARTS = re.compile(r"([0-9a-f]{32})-([1-9][0-9]{0,4})")


class PatientBucket:
    """A bucket that is read with patience: what may pass is tried again, by ``terms``.

    Raises NotFetched for what cannot be had.
    """

    def __init__(self, bucket: ReadableBucket, terms: Terms) -> None:
        self.bucket, self.terms = bucket, terms

    def fetch(self, stored: StoredObject, path: Path, md5: str = "") -> Path:
        """Bring an object to ``path``, held to ``md5``, else to its ETag where that is an md5.

        A file that is there and is the same is left as it is.
        """
        if Sums(md5=md5 or stored.md5, size=stored.size).hold(path) or is_of_parts(path, stored):
            return path
        return self.transfer(stored.key, path, Sums(md5=md5, size=stored.size))

    def transfer(self, key: str, path: Path, sums: Sums) -> Path:
        """Bring what lies under a key to ``path``, held to ``sums``."""
        name = f"s3://{self.bucket.name}/{key}"

        @contextmanager
        def opened(begin: int, tag: str) -> Iterator[Part]:
            with told(name), ExitStack() as stack:
                asked = partial(stack.enter_context, self.bucket.open(key, begin, tag))
                yield hurried(asked, self.terms.patience_s)

        return transfer(name, opened, path, sums, self.terms)

    def ask(self, what: str, question: Callable[[], T]) -> T:
        """What the bucket answers to a question about ``what``, asked again where that may help."""
        name = f"s3://{self.bucket.name}/{what}"

        def attempt() -> T:
            with told(name):
                return question()

        return persist(name, attempt, self.terms)


@contextmanager
def told(name: str) -> Iterator[None]:
    """Turn the errors of storage into those of a transfer."""
    try:
        yield
    except NotStoredError as error:
        raise NotFetched(name, "not-found", str(error)) from None
    except ChangedError as error:
        raise StartOver(f"{error}; starting over") from None
    except BusyError as error:
        raise TryAgain(str(error), error.pause_s) from None
    except StorageError as error:
        raise NotFetched(name, "refused", str(error)) from None


def is_of_parts(path: Path, stored: StoredObject) -> bool:
    """Whether a file is what an upload in N parts made: the ETag is md5 of the parts' md5s, ``-N``.

    S3 does not tell how large the parts were: the usual sizes that give N of them are tried. False
    too where the object was made otherwise.
    """
    found = OF_PARTS.fullmatch(stored.etag)
    if not found or not path.is_file() or path.stat().st_size != stored.size:
        return False
    num = int(found[2])
    sizes = (mib * MIB for mib in PART_MIBS if -(-stored.size // (mib * MIB)) == num)
    return any(_hash_parts(path, size) == found[1] for size in sizes)


def _hash_parts(path: Path, part_bytes: int) -> str:
    whole, size = hashlib.md5(usedforsecurity=False), path.stat().st_size
    with path.open("rb") as file:
        for begin in range(0, size, part_bytes):
            part = hashlib.md5(usedforsecurity=False)
            for at in range(begin, min(size, begin + part_bytes), MIB):  # all sizes are whole MiB
                part.update(file.read(min(MIB, size - at)))
            whole.update(part.digest())
    return whole.hexdigest()


def is_file_name(name: str) -> bool:
    """Whether a name from outside may be the name of a file in a folder of ours."""
    return (
        0 < len(name.encode(errors="replace")) <= LONGEST_NAME
        and name.isprintable()
        and name not in (".", "..")
        and not set(name) & set("/\\")
    )
