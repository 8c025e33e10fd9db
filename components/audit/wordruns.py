"""Runs of words that test items and training texts share.

Test items are indexed once, as sorted 64-bit hashes of their word runs; training texts stream by
and are forgotten, so that memory follows the test sets and not the corpus. Every shared run is
found, also that of a short question in a long article; MinHash, which compares whole texts, would
find no more than the near-duplicates among them (tests/components/audit/test_wordruns.py).

A run that test items of more than MAX_GROUPS groups hold is the wording of a task or a stock
phrase ("the aim of this study was to"), and is left out of the index. So is one that training
texts of more than MAX_HOLDERS groups hold, once they were counted (``count``, ``drop_common``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

MAX_GROUPS, MAX_HOLDERS = 2, 8
NUM_AROUND = 12  # words of the passage before and after a shared run
LONGEST_QUOTE = 40
BEGIN, END = (
    "\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}",
    ("\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}"),
)
_WORD = re.compile(r"[^\W_]+")
_PRIME = np.uint64(0x9E3779B97F4A7C15)  # odd, so that powers of it never vanish modulo 2**64


@dataclass(frozen=True, slots=True)
class Shared:
    """One test item's part in one training text: how many of its runs stand there, their share, and
    the longest stretch of words that both have, by its place among the training text's words."""

    item: int
    num_runs: int
    share: float
    place: int
    num_words: int


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
    """Which test items hold which runs of words; ``groups`` names what items share by design."""

    def __init__(self, texts: Sequence[str], groups: Sequence[str], length: int) -> None:
        self.length = length
        hashed = [np.unique(hash_runs(split_words(text), length)) for text in texts]
        keys = np.concatenate([*hashed, np.zeros(0, np.uint64)])
        owners = np.repeat(np.arange(len(texts)), [len(runs) for runs in hashed])
        _, group_of = np.unique(np.array(groups, np.str_), return_inverse=True)
        kept = ~np.isin(keys, _find_stock(keys, group_of[owners]))
        order = np.argsort(keys[kept], kind="stable")
        self.keys, self.owners = keys[kept][order], owners[kept][order]
        self.num_runs = np.bincount(self.owners, minlength=len(texts))
        self.num_holders = np.zeros(len(self.keys), np.int64)

    def count(self, text: str) -> None:
        """Note that a training text, or one of several of a group, holds its runs."""
        runs = np.unique(hash_runs(split_words(text), self.length))
        first = np.searchsorted(self.keys, runs, "left")
        held = np.searchsorted(self.keys, runs, "right") > first
        self.num_holders[first[held]] += 1  # of several equal keys the first one counts for all

    def drop_common(self) -> None:
        """Leave out what more than MAX_HOLDERS counted texts hold."""
        common = self.keys[self.num_holders > MAX_HOLDERS]
        kept = ~np.isin(self.keys, common)
        self.keys, self.owners = self.keys[kept], self.owners[kept]
        self.num_holders = self.num_holders[kept]

    def find(self, text: str) -> list[Shared]:
        """The test items that share at least one run with a training text."""
        runs = hash_runs(split_words(text), self.length)
        first = np.searchsorted(self.keys, runs, "left")
        last = np.searchsorted(self.keys, runs, "right")
        places: dict[int, list[int]] = {}
        for place in np.flatnonzero(last > first).tolist():
            for owner in self.owners[first[place] : last[place]].tolist():
                places.setdefault(owner, []).append(place)
        return [self._measure(item, places[item], runs) for item in sorted(places)]

    def _measure(self, item: int, places: list[int], runs: NDArray[np.uint64]) -> Shared:
        num = len(np.unique(runs[places]))
        stretches = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
        longest = max(stretches, key=len)
        share = num / int(self.num_runs[item])
        return Shared(item, num, share, int(longest[0]), len(longest) + self.length - 1)


def _find_stock(keys: NDArray[np.uint64], groups: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The runs that more than MAX_GROUPS groups hold."""
    order = np.lexsort((groups, keys))
    keys, groups = keys[order], groups[order]
    is_new = np.ones(len(keys), np.bool_)
    is_new[1:] = (keys[1:] != keys[:-1]) | (groups[1:] != groups[:-1])
    found, counts = np.unique(keys[is_new], return_counts=True)
    return found[counts > MAX_GROUPS]


def quote(text: str, shared: Shared) -> str:
    """The shared words of a training text between « and », with those around them."""
    words = split_words(text)
    end = shared.place + min(shared.num_words, LONGEST_QUOTE)
    before = words[max(0, shared.place - NUM_AROUND) : shared.place]
    after = words[end : end + NUM_AROUND] if shared.num_words <= LONGEST_QUOTE else ["..."]
    return " ".join([*before, BEGIN, *words[shared.place : end], END, *after])
