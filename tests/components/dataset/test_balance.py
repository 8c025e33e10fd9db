"""Balancing over modalities: the shares that are drawn, evenly, by seed and step alone."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.dataset.balance import AS_IS, balance_kinds, choose_balance
from components.dataset.example_feed import Drawing, ExampleFeed
from components.dataset.feeds import Limits
from components.dataset.order import batch_indices
from components.records import Example
from components.tokenization.vocabulary import Vocabulary
from components.training_config import InstructParams

KINDS = ["ct"] * 64 + ["xray"] * 16 + ["gross"] * 4 + [""] * 16


def draw(temperature: float, steps: int, batch: int = 10, seed: int = 7) -> Counter[str]:
    balance = balance_kinds(KINDS, temperature)
    shown = [
        KINDS[index]
        for step in range(1, steps + 1)
        for index in batch_indices(len(KINDS), batch, seed, step, balance=balance)
    ]
    return Counter(shown)


@pytest.mark.parametrize(
    ("temperature", "shares"),
    [
        (1.0, {"ct": 64, "xray": 16, "gross": 4, "": 16}),
        (2.0, {"ct": 48, "xray": 24, "gross": 12, "": 16}),  # 8 : 4 : 2 of 84
        (math.inf, {"ct": 28, "xray": 28, "gross": 28, "": 16}),
    ],
)
def test_shares_follow_the_temperature(temperature: float, shares: dict[str, int]) -> None:
    for epochs in (1, 3):
        expected = {kind: epochs * num for kind, num in shares.items()}
        assert draw(temperature, steps=10 * epochs) == expected


def test_examples_of_a_kind_are_drawn_equally_often() -> None:
    balance = balance_kinds(KINDS, math.inf)
    shown = Counter(
        index
        for step in range(1, 101)
        for index in batch_indices(100, 10, 7, step, balance=balance)
    )
    for kind in set(KINDS):
        times = [shown[index] for index, own in enumerate(KINDS) if own == kind]
        assert max(times) - min(times) <= 1


def test_a_step_depends_on_seed_and_step_alone() -> None:
    first, second = balance_kinds(KINDS, 2.0), balance_kinds(KINDS, 2.0)
    forward = {step: batch_indices(100, 7, 3, step, balance=first) for step in range(1, 40)}
    for step in (39, 4, 4, 20):
        assert batch_indices(100, 7, 3, step, balance=second) == forward[step]
    assert batch_indices(100, 7, 4, 1, balance=first) != forward[1]


@given(
    st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=1, max_size=60),
    st.one_of(st.floats(1, 100), st.just(math.inf)),
    st.integers(0, 3),
)
@settings(deadline=None)
def test_an_epoch_has_as_many_draws_as_there_are_examples(
    kinds: list[str], temperature: float, epoch: int
) -> None:
    balance = balance_kinds(kinds, temperature)
    drawn = [kinds[index] for index in balance.draw(5, epoch)]
    assert len(drawn) == len(kinds)
    assert Counter(drawn) == Counter(dict(zip(balance.names, balance.quotas, strict=True)))
    assert drawn.count("") == kinds.count("")


@pytest.mark.parametrize(
    ("sampling", "temperature", "quotas"),
    [("temperature", 1.0, (16, 64, 4, 16)), ("temperature", 2.0, (16, 48, 12, 24)),
     ("balanced", 2.0, (16, 28, 28, 28))],
)  # fmt: skip
def test_settings_choose_the_balance(
    sampling: str, temperature: float, quotas: tuple[int, ...]
) -> None:
    balance = choose_balance(KINDS, sampling, temperature)
    assert balance is not None and balance.names == ("", "ct", "gross", "xray")
    assert balance.quotas == quotas
    assert InstructParams.model_fields["sampling"].default == AS_IS
    assert choose_balance(KINDS, AS_IS, temperature) is None


def test_a_feed_draws_by_its_balance(vocabulary: Vocabulary) -> None:
    examples = [
        Example(str(i), "set", "instruct", "train", " is it?", f" answer {i}", modality=kind)
        for i, kind in enumerate(KINDS)
    ]
    limits = Limits(10, 10, 40, 16, 5)
    kinds = {tuple(vocabulary.encode(f" answer {i}")): kind for i, kind in enumerate(KINDS)}
    feed = ExampleFeed(examples, vocabulary, None, limits, Drawing(balance_kinds(KINDS, math.inf)))
    shown = Counter[str]()
    for step in range(1, 11):
        for batch in feed.parts(step)[0]:
            for row in batch.prev_BT.tolist():
                shown[kinds[tuple(token for token in row if token > 1)]] += 1
    assert shown == {"ct": 28, "xray": 28, "gross": 28, "": 16}
