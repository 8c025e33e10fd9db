"""Shares of sums, parts that share resamples, and intervals that hold together."""

from __future__ import annotations

import pytest

from components.cards import Card
from components.evaluation.intervals import bootstrap, difference, find_groups
from components.probes.measure import Sampling, choose, estimate_part, estimate_share
from tests.components.probes.conftest import answer, predict


def test_a_share_is_that_of_the_sums_and_not_a_mean_of_shares(sampling: Sampling) -> None:
    groups = find_groups(["a", "b", "c"])
    share = sampling.measure(estimate_share([1, 0, 3], [1, 3, 4], groups), groups)
    assert share["value"] == 50.0 and share["low"] < 50 < share["high"]
    assert (share["n"], share["groups"]) == (3, 3)


def test_a_share_of_nothing_is_no_number(sampling: Sampling) -> None:
    groups = find_groups(["a", "b"])
    share = sampling.measure(estimate_share([0, 0], [0, 0], groups), groups)
    assert (share["value"], share["low"], share["high"]) == (None, None, None)


def test_parts_are_paired_over_groups_that_they_share(card: Card, sampling: Sampling) -> None:
    """Both halves of a group are right or wrong together: their difference cannot vary."""
    told = [
        predict(i, "yes" if i // 2 % 3 else "no", group=f"g{i // 2}", category="ab"[i % 2])
        for i in range(60)
    ]
    scored = answer(told, card).scored
    first, second = (
        estimate_part(
            scored, choose([p.category == name for p in sorted(told, key=lambda p: p.id)])
        )
        for name in "ab"
    )
    gap = bootstrap(difference(first, second), scored.groups)
    assert (gap.value, gap.low, gap.high) == (0, 0, 0)
    alone = sampling.measure(first, scored.groups)
    assert alone["low"] < alone["value"] < alone["high"]


def test_intervals_of_many_comparisons_are_wider(sampling: Sampling) -> None:
    groups = find_groups([str(i) for i in range(80)])
    share = estimate_share([i % 3 == 0 for i in range(80)], [1] * 80, groups)
    one, many = (sampling.measure(share, groups, num) for num in (1, 20))
    assert many["low"] < one["low"] < one["high"] < many["high"]
    assert one["value"] == pytest.approx(100 * 27 / 80, abs=1e-3)
