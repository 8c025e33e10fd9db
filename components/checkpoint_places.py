"""Where the checkpoints of a run lie: in a folder, and in a bucket that mirrors it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from components.storage import S3, Bucket, split_address
from components.storage_advice import refusals_advised
from components.training.checkpoints import Checkpoints

AGAIN = "see whether the server can be reached; what is sent again goes on where it stopped"
HERE = Path("data/checkpoints")  # where they are written before a bucket gets them


class BucketMirror:
    """What one prefix of a bucket holds. Every refusal is a UserError that says what to do."""

    def __init__(
        self, address: str, *, endpoint: str = "", attempts: int = 5, timeout_s: float = 60.0
    ) -> None:
        name, self.prefix = split_address(address)
        self.address = f"{S3}{name}/{self.prefix}".rstrip("/")
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

    def _told(self, done: str, key: str = "") -> AbstractContextManager[None]:
        return refusals_advised(f"{self.address}{key and '/'}{key} could not be {done}", AGAIN)


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
