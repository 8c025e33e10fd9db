"""What data sets there are, and which of them are ready on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.acquire.bring import FETCHERS
from components.acquire.bucket_root import BucketRoot, is_bucket
from components.acquire.place import can_make, find_origin, is_open
from components.cards import Card
from components.config import AcquireParams
from components.errors import UserError
from components.lineage import MANIFEST, read_manifest
from components.records import SPLITS

RAW, EXAMPLES = Path("data/raw"), Path("data/examples")
NO_ROOT = "/nowhere"  # an empty path would be the folder that the command runs in
State = Literal["prepared", "acquired", "found", "made", "fetched", "missing"]
STATES: dict[State, str] = {
    "prepared": "its examples are in data/examples",
    "acquired": "its raw files are in data/raw",
    "found": "its raw files are under acquire.root",
    "made": "the sample world makes look-alikes of its files",
    "fetched": "its files can be downloaded by itself",
    "missing": "get it first",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A card, whether it is ready here, and where its files are, or what is lacking."""

    card: Card
    state: State
    where: str
    splits: str

    @property
    def is_ready(self) -> bool:
        """Whether a run with the present settings would find its files."""
        return self.state != "missing"


def list_datasets(cards: Iterable[Card], settings: AcquireParams) -> list[Listed]:
    """Every card with its state under the present settings.

    UserError where ``acquire.root`` is a bucket that cannot be listed.
    """
    bucket = BucketRoot(settings.root) if is_bucket(settings.root) else None
    return [_look(card, settings, bucket) for card in cards]


def _look(card: Card, settings: AcquireParams, bucket: BucketRoot | None) -> Listed:
    state, where = _find(card, settings, bucket)
    return Listed(card, state, where, count_splits(card, state))


def _find(card: Card, settings: AcquireParams, bucket: BucketRoot | None) -> tuple[State, str]:
    states: tuple[tuple[State, Path], ...] = (("prepared", EXAMPLES), ("acquired", RAW))
    for state, folder in states:
        if (folder / card.name / MANIFEST).is_file():
            return state, (folder / card.name).as_posix()
    if settings.mode == "sample" and can_make(card):
        return "made", "by acquire"
    if settings.mode == "download" and (card.name in FETCHERS or is_open(card)):
        return "fetched", card.source.url
    if bucket:
        return _find_in_bucket(card, bucket)
    try:
        return "found", find_origin(card, Path(settings.root or NO_ROOT))[0].as_posix()
    except UserError as error:
        return "missing", error.what if settings.root else "acquire.root is empty"


def _find_in_bucket(card: Card, bucket: BucketRoot) -> tuple[State, str]:
    bucket.check()
    try:
        return "found", bucket.find(card)[0]
    except UserError as error:
        return "missing", error.what


def count_splits(card: Card, state: State) -> str:
    """Train, validation and test examples: those of this machine, else the official records."""
    if state == "prepared":
        counts = read_manifest(EXAMPLES / card.name)["counts"]
        return " / ".join(f"{counts[split]:,}" for split in SPLITS) + " here"
    if not card.releases:
        return ""
    records = card.releases[0].records
    if "all" in records:
        return f"{records['all']:,} in all"
    return " / ".join(f"{records[split]:,}" if split in records else "-" for split in SPLITS)
