"""Which examples a step sees: a pure function of seed and step."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from components.dataset.balance import Balance


def batch_indices(
    num_examples: int, batch: int, seed: int, step: int, balance: Balance | None = None
) -> list[int]:
    """Indices of the batch of a step (counted from 1).

    Every epoch is a permutation of its own, or a draw of as many by the balance; a batch may reach
    over the border of two epochs.
    """
    positions = range((step - 1) * batch, step * batch)
    return [
        int(_epoch(num_examples, seed, position // num_examples, balance)[position % num_examples])
        for position in positions
    ]


@lru_cache(maxsize=64)
def _epoch(num_examples: int, seed: int, epoch: int, balance: Balance | None) -> np.ndarray:
    drawn = num_examples if balance is None else balance.draw(seed, epoch)
    return np.random.default_rng([seed, epoch]).permutation(drawn)


def example_rng(seed: int, step: int, position: int) -> np.random.Generator:
    """Random numbers of one example at one step."""
    return np.random.default_rng([seed, step, position])
