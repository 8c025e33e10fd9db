"""Many items side by side: one that cannot be had does not stop the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from components.acquire.transfer import NotFetched
from components.progress import follow
from components.records import Reject

T = TypeVar("T")
AHEAD = 4  # items a worker has waiting: a list of millions is never all in flight


@dataclass(slots=True)
class Haul:
    """What was asked for, in items, and what came of it: files, and a Reject for each item lost."""

    num_in: int = 0
    files: list[Path] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def add(self, other: Haul) -> None:
        """Take another haul in."""
        self.num_in += other.num_in
        self.files += other.files
        self.rejects += other.rejects


def fetch_all(label: str, items: Sequence[T], fetch: Callable[[T], Haul], workers: int) -> Haul:
    """The hauls of all items together, in the order of the items, whoever comes first.

    An item whose ``fetch`` raises NotFetched counts as one that was lost. Any other error stops
    the run: what has not begun is left, and what is under way is waited for.
    """
    whole = Haul()
    waiting: deque[Future[Haul]] = deque()
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        for item in follow(label, items):
            if len(waiting) >= workers * AHEAD:
                whole.add(waiting.popleft().result())
            waiting.append(pool.submit(fetch_one, fetch, item))
        while waiting:
            whole.add(waiting.popleft().result())
    finally:
        pool.shutdown(cancel_futures=True)
    return whole


def lost(error: NotFetched) -> Reject:
    """The record of an item that could not be had."""
    return Reject(error.name, error.reason, error.why)


def fetch_one(fetch: Callable[[T], Haul], item: T) -> Haul:
    """The haul of an item, which is lost where ``fetch`` raises NotFetched."""
    try:
        return fetch(item)
    except NotFetched as error:
        return Haul(1, rejects=[lost(error)])
