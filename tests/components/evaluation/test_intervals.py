"""Intervals cover, respect groups, and pair differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from components.evaluation.intervals import (
    PERCENT,
    Floats,
    bootstrap,
    bootstrap_mean,
    find_groups,
    gain_scale,
    seed_mean,
)


def names(num: int, per_group: int = 1) -> list[str]:
    return [f"g{i // per_group}" for i in range(num)]


def test_width_agrees_with_the_normal_approximation() -> None:
    values = np.random.default_rng(1).normal(50, 10, 400)
    interval = bootstrap_mean(values, names(400), resamples=2000, seed=3)
    assert interval.low is not None and interval.high is not None
    half = 1.96 * values.std() / 20
    assert interval.value == pytest.approx(values.mean())
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.1)


@pytest.mark.parametrize("num", [7, 3000])  # one piece of draws, and several
def test_is_the_plain_bootstrap_to_the_last_draw(num: int) -> None:
    values = np.random.default_rng(4).normal(50, 10, num)
    drawn = np.random.default_rng(9).integers(0, num, (150, num), np.int32)
    low, high = np.quantile(values[drawn].mean(1), [0.025, 0.975])
    groups = [f"g{i:04d}" for i in range(num)]
    interval = bootstrap_mean(values, groups, resamples=150, seed=9)
    assert (interval.low, interval.high) == (pytest.approx(low), pytest.approx(high))


def test_samples_that_share_a_group_widen_the_interval() -> None:
    values = np.repeat(np.random.default_rng(2).integers(0, 2, 50) * 100.0, 10)
    alone = bootstrap_mean(values, names(500))
    shared = bootstrap_mean(values, names(500, per_group=10))
    assert shared.num_groups == 50 and alone.num_groups == 500
    assert shared.low is not None and alone.low is not None
    assert shared.value - shared.low > 2.5 * (alone.value - alone.low)


def test_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(5)
    hits = 0
    for trial in range(200):
        values = 100.0 * (generator.random(120) < 0.7)
        interval = bootstrap_mean(values, names(120), resamples=300, confidence=0.9, seed=trial)
        assert interval.low is not None and interval.high is not None
        hits += interval.low <= 70 <= interval.high
    assert 165 <= hits <= 195


def test_a_paired_difference_is_narrower_than_the_scores() -> None:
    generator = np.random.default_rng(7)
    first = generator.normal(50, 20, 200)
    second = first - generator.normal(2, 1, 200)
    gap = bootstrap_mean(first - second, names(200))
    assert gap.above_zero and not gap.below_zero
    assert gap.value == pytest.approx((first - second).mean())


def test_groups_that_are_all_alike_leave_open_what_others_would_give() -> None:
    """None of three is not never: the bounds are those of an exact interval for a share."""
    for num in (3, 50):
        shares = [bootstrap_mean([v] * num, names(num), scale=PERCENT) for v in (0, 100)]
        exact = [binomtest(hits, num).proportion_ci(method="exact") for hits in (0, num)]
        for found, wanted in zip(shares, exact, strict=True):
            assert found.low == pytest.approx(100 * wanted.low)
            assert found.high == pytest.approx(100 * wanted.high)
    shared = bootstrap_mean([0.0] * 50, names(50, per_group=10), scale=PERCENT)
    assert shared.high == pytest.approx(100 * binomtest(0, 5).proportion_ci().high)
    assert bootstrap_mean([0.0, 50.0] * 20, names(40), scale=PERCENT) == bootstrap_mean(
        [0.0, 50.0] * 20, names(40)
    )


def test_a_mean_over_classes_that_are_all_alike_rests_on_each_of_them() -> None:
    classes = ["rare"] * 3 + ["common"] * 97
    found = bootstrap_mean([0.0] * 100, names(100), classes=classes, scale=PERCENT)
    exact = [binomtest(0, num).proportion_ci().high for num in (3, 97)]
    assert (found.low, found.high) == (0, pytest.approx(100 * sum(exact) / 2))


@pytest.mark.parametrize(("num", "sure"), [(2, False), (5, False), (6, True)])
def test_a_gain_in_every_group_needs_enough_of_them(num: int, sure: bool) -> None:
    """As in a sign test: of five pairs all can favour one side by chance in 1 of 16 cases."""
    both_ways = gain_scale(PERCENT)
    gain = bootstrap_mean([100.0] * num, names(num), scale=both_ways)
    assert gain.value == gain.high == 100 and gain.above_zero is sure
    none = bootstrap_mean([0.0] * num, names(num), scale=both_ways)
    assert none.low is not None and none.low < none.value == 0


def test_groups_that_tell_nothing_count_for_nothing() -> None:
    """Of fifty reports three name a finding, all of them rightly: three, not fifty, were seen."""
    groups = find_groups(names(50))
    told = np.array([1.0] * 3 + [0.0] * 47)

    def share(w_BG: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            wrong: Floats = 100 * (w_BG @ (0 * told)) / (w_BG @ told)
        return wrong

    found = bootstrap(share, groups, scale=PERCENT)
    assert found.high == pytest.approx(100 * binomtest(0, 3).proportion_ci().high)


def test_class_means_weigh_classes_equally() -> None:
    values = [100.0] * 9 + [0.0]
    classes = ["common"] * 9 + ["rare"]
    assert bootstrap_mean(values, names(10), classes=classes).value == pytest.approx(50)
    assert bootstrap_mean(values, names(10)).value == pytest.approx(90)


def test_one_group_has_no_interval() -> None:
    interval = bootstrap_mean([1.0, 2.0], ["a", "a"])
    assert (interval.value, interval.low, interval.high) == (1.5, None, None)
    assert not interval.above_zero


@pytest.mark.parametrize(("values", "groups"), [([], []), ([1.0], ["a", "b"])])
def test_refuses_what_it_cannot_average(values: list[float], groups: list[str]) -> None:
    with pytest.raises(ValueError, match="groups"):
        bootstrap_mean(values, groups)


@settings(max_examples=40)
@given(st.lists(st.floats(0, 100), min_size=2, max_size=40), st.integers(1, 5), st.integers(0, 99))
def test_bounds_hold_the_value_and_repeat_with_the_seed(
    values: list[float], per_group: int, seed: int
) -> None:
    groups = names(len(values), per_group)
    first, again = (bootstrap_mean(values, groups, resamples=300, seed=seed) for _ in range(2))
    assert first == again
    if first.low is not None and first.high is not None:
        assert min(values) - 1e-9 <= first.low <= first.high <= max(values) + 1e-9


def test_the_mean_over_seeds_has_student_s_interval() -> None:
    found = seed_mean([50.0, 52.0, 57.0])
    assert found.value == pytest.approx(53.0)
    assert found.low is not None and found.high is not None
    # Standard error 2.0817; 4.3027 is the quantile of t with two degrees of freedom.
    assert found.high - 53.0 == pytest.approx(4.3027 * 2.0817, rel=1e-3)
    assert 53.0 - found.low == pytest.approx(found.high - 53.0)


def test_one_seed_has_no_interval_and_none_no_mean() -> None:
    assert seed_mean([3.0]).low is None
    with pytest.raises(ValueError, match="at least one"):
        seed_mean([])
