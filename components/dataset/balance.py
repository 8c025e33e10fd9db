"""How often examples of each kind are drawn: as many in an epoch as there are examples.

With temperature T a kind of n examples gets a share of n^(1/T) (as mixtures of languages are
balanced: Conneau et al., XLM-R, ACL 2020); infinite T draws all kinds equally often.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

AS_IS = "as_is"
KIND_STREAM = 2  # the random numbers of what is drawn are not those of its order


@dataclass(frozen=True, eq=False)
class Balance:
    """Kinds of examples: their names, the indices of each, and its draws in an epoch."""

    names: tuple[str, ...]
    members: tuple[np.ndarray, ...]
    quotas: tuple[int, ...]

    def draw(self, seed: int, epoch: int) -> np.ndarray:
        """Indices of an epoch, kind by kind; a pure function of seed and epoch.

        A kind is drawn in permutations of its own, one after another over the epochs, so that no
        example is drawn twice more often than another of its kind.
        """
        drawn = []
        for kind, (indices, quota) in enumerate(zip(self.members, self.quotas, strict=True)):
            first, last = epoch * quota, (epoch + 1) * quota
            rounds = range(first // len(indices), -(-last // len(indices)))
            orders = [
                np.random.default_rng([seed, KIND_STREAM, kind, number]).permutation(indices)
                for number in rounds
            ]
            start = first - rounds.start * len(indices)
            drawn.append(np.concatenate([*orders, indices[:0]])[start : start + quota])
        return np.concatenate(drawn)


def choose_balance(kinds: Sequence[str], sampling: str, temperature: float) -> Balance | None:
    """The balance that a setting asks for: ``as_is`` (None), ``balanced`` or ``temperature``."""
    if sampling == AS_IS:
        return None
    return balance_kinds(kinds, math.inf if sampling == "balanced" else temperature)


def balance_kinds(kinds: Sequence[str], temperature: float) -> Balance:
    """A balance over the kinds of examples, in the order of their names.

    Examples without a kind ("") are drawn as often as they are there: nothing is known that would
    speak for more or fewer of them. ``temperature`` is at least 1; ``math.inf`` balances fully.
    """
    counts = dict(sorted(Counter(kinds).items()))
    powers = {name: _power(num, temperature) for name, num in counts.items() if name}
    num_named, total = len(kinds) - counts.get("", 0), sum(powers.values())
    exact = {
        name: num_named * powers[name] / total if name else float(num)
        for name, num in counts.items()
    }
    array = np.array(kinds, dtype=object)
    members = tuple(np.flatnonzero(array == name) for name in counts)
    return Balance(tuple(counts), members, _round_shares(list(exact.values())))


def _power(num: int, temperature: float) -> float:
    return 1.0 if math.isinf(temperature) else float(num ** (1 / temperature))


def _round_shares(exact: Sequence[float]) -> tuple[int, ...]:
    """Whole numbers with the same sum: the largest remainders are rounded up."""
    whole = [math.floor(value) for value in exact]
    missing = round(sum(exact)) - sum(whole)
    ranked = sorted(range(len(exact)), key=lambda place: whole[place] - exact[place])
    for place in ranked[:missing]:
        whole[place] += 1
    return tuple(whole)
