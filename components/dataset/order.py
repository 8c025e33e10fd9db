"""Which examples a step sees: a pure function of seed and step."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def batch_indices(num_examples: int, batch: int, seed: int, step: int) -> list[int]:
    """Indices of the batch of a step (counted from 1).

    Every epoch is a permutation of its own; a batch may reach over the border of two epochs.
    """
    positions = range((step - 1) * batch, step * batch)
    return [
        int(_permutation(num_examples, seed, position // num_examples)[position % num_examples])
        for position in positions
    ]


@lru_cache(maxsize=64)
def _permutation(num_examples: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(num_examples)


def example_rng(seed: int, step: int, position: int) -> np.random.Generator:
    """Random numbers of one example at one step."""
    return np.random.default_rng([seed, step, position])
