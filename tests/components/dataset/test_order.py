"""The order of examples: permutations, one after another, decided by seed and step alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.dataset.order import batch_indices, example_rng

SIZES = st.tuples(st.integers(1, 30), st.integers(1, 40))
SEEDS = st.integers(0, 1000)


@given(SIZES, SEEDS)
@settings(deadline=None)
def test_every_epoch_is_a_permutation(sizes: tuple[int, int], seed: int) -> None:
    num, batch = sizes
    steps = -(-3 * num // batch)
    stream = [i for step in range(1, steps + 1) for i in batch_indices(num, batch, seed, step)]
    for epoch in range(3):
        assert sorted(stream[epoch * num : (epoch + 1) * num]) == list(range(num))


@given(SIZES, SEEDS, st.permutations(range(1, 7)))
@settings(deadline=None)
def test_a_step_does_not_depend_on_the_steps_before(
    sizes: tuple[int, int], seed: int, order: list[int]
) -> None:
    forward = {step: batch_indices(*sizes, seed, step) for step in range(1, 7)}
    assert all(batch_indices(*sizes, seed, step) == forward[step] for step in order)
    assert all(len(batch) == sizes[1] for batch in forward.values())


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(batch_indices(50, 50, seed, step)) for seed in (1, 2) for step in (1, 2)}
    assert len(orders) == 4


def test_random_numbers_belong_to_one_position_of_one_step() -> None:
    places = [(1, 1, 0), (2, 1, 0), (1, 2, 0), (1, 1, 1)]
    draws = [example_rng(*place).random() for place in places]
    assert len(set(draws)) == 4
    assert draws == [example_rng(*place).random() for place in places]
    assert isinstance(example_rng(1, 1, 1), np.random.Generator)


def test_the_order_without_a_balance_is_what_it_always_was() -> None:
    """A run that goes on from a checkpoint must see the batches that it would have seen."""
    assert batch_indices(50, 8, 7, 3) == [32, 26, 19, 9, 40, 14, 39, 3]
    assert batch_indices(5, 4, 7, 2) == batch_indices(5, 4, 7, 2, balance=None)
    alone = np.random.default_rng([7, 0]).permutation(50)[16:24].tolist()
    assert batch_indices(50, 8, 7, 3) == alone
