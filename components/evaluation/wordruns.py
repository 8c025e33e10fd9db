"""Runs of words that test items and training texts share.

Test items are indexed once, as sorted 64-bit hashes of their word runs; training texts stream by
and are forgotten, so that memory follows the test sets and not the corpus.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"[^\W_]+")
_PRIME = np.uint64(0x9E3779B97F4A7C15)  # odd, so that powers of it never vanish modulo 2**64


@dataclass(frozen=True, slots=True)
class Shared:
    """One test item's part in one training text: share of its runs, and the first one."""

    item: int
    share: float
    run: str


def split_words(text: str) -> list[str]:
    """Lower-cased words and numbers."""
    return _WORD.findall(text.lower())


@lru_cache(maxsize=1 << 18)
def _hash_word(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")


def hash_runs(words: Sequence[str], length: int) -> NDArray[np.uint64]:
    """A 64-bit polynomial hash of each run of ``length`` words; empty for a shorter text."""
    if len(words) < length:
        return np.zeros(0, np.uint64)
    values = np.fromiter((_hash_word(word) for word in words), np.uint64, len(words))
    num_runs = len(words) - length + 1
    runs = np.zeros(num_runs, np.uint64)
    for offset in range(length):
        runs = runs * _PRIME + values[offset : offset + num_runs]  # modulo 2**64
    return runs


class RunIndex:
    """Which test items hold which runs of words."""

    def __init__(self, texts: Sequence[str], length: int) -> None:
        self.length = length
        hashed = [np.unique(hash_runs(split_words(text), length)) for text in texts]
        self.num_runs = np.array([len(runs) for runs in hashed], np.int64)
        keys = np.concatenate([*hashed, np.zeros(0, np.uint64)])
        owners = np.repeat(np.arange(len(texts)), self.num_runs)
        order = np.argsort(keys, kind="stable")
        self.keys, self.owners = keys[order], owners[order]

    def find(self, text: str) -> list[Shared]:
        """The test items that share at least one run with a training text."""
        words = split_words(text)
        runs, places = np.unique(hash_runs(words, self.length), return_index=True)
        first = np.searchsorted(self.keys, runs, "left")
        last = np.searchsorted(self.keys, runs, "right")
        counts: dict[int, int] = {}
        earliest: dict[int, int] = {}
        for match in np.flatnonzero(last > first):
            for owner in self.owners[first[match] : last[match]].tolist():
                counts[owner] = counts.get(owner, 0) + 1
                place = int(places[match])
                earliest[owner] = min(earliest.get(owner, place), place)
        return [
            Shared(
                item,
                count / int(self.num_runs[item]),
                " ".join(words[earliest[item] : earliest[item] + self.length]),
            )
            for item, count in sorted(counts.items())
        ]
