"""Which examples a step sees: a pure function of seed and step."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from components.dataset.balance import Balance

GROUP_BATCHES, GROUP_STREAM = 16, 4


def batch_indices(
    num_examples: int,
    batch: int,
    seed: int,
    step: int,
    *,
    balance: Balance | None = None,
    lengths: np.ndarray | None = None,
) -> list[int]:
    """Indices of the batch of a step (counted from 1).

    Every epoch is a permutation of its own, or a draw of as many by the balance; a batch may reach
    over the border of two epochs. With ``lengths`` (one of each example) the examples of 16
    batches, or of as many as an epoch has, are sorted by it and cut anew, and these batches come in
    an order of their own: what is drawn together has about one length.
    """
    if lengths is not None:
        # Over several epochs one example's repetitions would fill a batch.
        grouped = max(min(GROUP_BATCHES, num_examples // batch), 1)
        step, batch_of = divmod(step - 1, grouped)
        many = batch * grouped
        group = np.array(batch_indices(num_examples, many, seed, step + 1, balance=balance))
        group = group[np.argsort(lengths[group], kind="stable")]
        order = np.random.default_rng([seed, GROUP_STREAM, step]).permutation(grouped)
        begin = int(order[batch_of]) * batch
        return [int(index) for index in group[begin : begin + batch]]
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
