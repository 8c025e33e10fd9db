"""Where the checkpoints of a run lie: in a folder, and in a bucket that mirrors it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.storage import Bucket, StorageError
from components.storage_advice import advise
from components.training.checkpoints import Checkpoints

S3 = "s3://"
AGAIN = "see whether the server can be reached; what is sent again goes on where it stopped"
HERE = Path("data/checkpoints")  # where they are written before a bucket gets them


class BucketMirror:
    """What one prefix of a bucket holds. Every refusal is a UserError that says what to do."""

    def __init__(
        self, address: str, *, endpoint: str = "", attempts: int = 5, timeout_s: float = 60.0
    ) -> None:
        name, *prefix = filter(None, address.removeprefix(S3).split("/"))
        self.address, self.prefix = S3 + "/".join([name, *prefix]), "/".join([*prefix, ""])
        with self._told("opened"):
            self.bucket = Bucket(name, endpoint=endpoint, attempts=attempts, timeout_s=timeout_s)

    def keys(self) -> list[str]:
        """The keys of all files, without the prefix."""
        with self._told("listed"):
            return [key.removeprefix(self.prefix) for key in self.bucket.keys(self.prefix)]

    def upload(self, file: Path, key: str) -> None:
        """Store a file under a key."""
        with self._told("written", key):
            self.bucket.upload(file, self.prefix + key)

    def download(self, key: str, file: Path) -> None:
        """Fetch what is stored under a key."""
        with self._told("read", key):
            self.bucket.download(self.prefix + key, file)

    def remove(self, key: str) -> None:
        """Remove what is stored under a key."""
        with self._told("removed", key):
            self.bucket.remove(self.prefix + key)

    @contextmanager
    def _told(self, done: str, key: str = "") -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            raise UserError(
                f"{self.address}{key and '/'}{key} could not be {done}",
                why=str(error),
                next_command=advise(str(error), AGAIN),
            ) from None


def open_checkpoints(
    address: str,
    identity: Mapping[str, Any],
    *,
    keep_last: int,
    keep_best: int,
    tell: Callable[[str], None],
) -> Checkpoints:
    """The checkpoints of a run whose own folder, or prefix of a bucket, is ``address``."""
    mirror = BucketMirror(address) if address.startswith(S3) else None
    folder = HERE / address.rsplit("/", 1)[-1] if mirror else Path(address)
    return Checkpoints(
        folder, identity, mirror=mirror, keep_last=keep_last, keep_best=keep_best, tell=tell
    )
