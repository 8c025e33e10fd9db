"""Sizes are compared on the same items, and chance is told from difference."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from components.config import EvaluateParams
from components.errors import UserError
from components.evaluation.metrics import find_metric
from components.evaluation.scaling import adjust_holm, compare_sizes, exchange_test
from components.evaluation.scoring import Scored, score_all
from components.records import Prediction

PARAMS = EvaluateParams(
    batch=4, beam=1, length_penalty=1.0, no_repeat_ngram=3, max_target_tokens=8,
    conditions=["full", "blank"], bootstrap=300, confidence=0.95,
)  # fmt: skip


def answer(right: list[bool], size: str, per_group: int = 1) -> list[Prediction]:
    """Answers that are right or wrong, so many to a group; classes alternate."""
    return [
        Prediction(
            id=f"toy/{i:04d}", dataset="toy", size=size, condition="full",
            prediction=target if is_right else "wrong", target=target, references=[target],
            log_probability=-1.0, baseline="yes", category="", group=f"image{i // per_group}",
            image_id="", source="q",
        )
        for i, is_right in enumerate(right)
        for target in [["yes", "no"][i % 2]]
    ]  # fmt: skip


def score(right: list[bool], metric: str = "accuracy", per_group: int = 1) -> Scored:
    return score_all(find_metric(metric), {"full": answer(right, "any", per_group)})


def draw(generator: np.random.Generator, chance: float, num: int) -> list[bool]:
    return [bool(value) for value in generator.random(num) < chance]


def test_a_difference_has_an_interval_and_a_p_value_and_turns_round() -> None:
    generator = np.random.default_rng(1)
    small, large = draw(generator, 0.4, 120), draw(generator, 0.9, 120)
    first, second = answer(small, "debug"), answer(large, "micro")
    found = compare_sizes(first, second, "accuracy", PARAMS, 1)
    assert found.gain.value == pytest.approx((sum(large) - sum(small)) / 1.2)
    assert found.gain.above_zero and found.gain.num_samples == 120 and found.p_value < 0.001
    turned = compare_sizes(second, first, "accuracy", PARAMS, 1)
    assert turned.gain.below_zero and turned.p_value == found.p_value
    with pytest.raises(UserError, match="other items"):
        compare_sizes(first[:100], second, "accuracy", PARAMS, 1)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_the_p_value_is_that_of_every_exchange(metric: str) -> None:
    """Ten items can be exchanged in 1,024 ways, which are all looked at here."""
    generator = np.random.default_rng(4)
    ours, theirs = draw(generator, 0.9, 10), draw(generator, 0.4, 10)

    def gap(exchanged: tuple[bool, ...]) -> float:
        pairs = [(b, a) if turn else (a, b) for a, b, turn in
                 zip(ours, theirs, exchanged, strict=True)]  # fmt: skip
        values = [score([pair[side] for pair in pairs], metric) for side in (0, 1)]
        first, second = (float(own.estimate()(own.groups.every)[0]) for own in values)
        return abs(first - second)

    observed = gap((False,) * 10)
    exact = np.mean([gap(ways) >= observed - 1e-9 for ways in product((False, True), repeat=10)])
    found = exchange_test(score(ours, metric), score(theirs, metric), seed=0)
    assert 0.01 < exact < 0.99 and found == pytest.approx(exact, abs=0.02)


def test_sizes_that_are_alike_are_rarely_told_apart() -> None:
    generator = np.random.default_rng(7)
    p_values = [
        exchange_test(score(draw(generator, 0.6, 60)), score(draw(generator, 0.6, 60)), 1, 199)
        for _ in range(200)
    ]
    assert np.mean(np.array(p_values) <= 0.05) < 0.1


def test_many_rows_of_few_groups_are_few() -> None:
    """200 answers of 4 images: with 16 exchanges the least p-value is 2 in 16."""
    found = exchange_test(score([True] * 200, per_group=50), score([False] * 200, per_group=50), 0)
    assert found == pytest.approx(2 / 16, abs=0.02)
    assert exchange_test(score([True] * 9, per_group=9), score([False] * 9, per_group=9), 0) == 1


def test_holm_adjusts_step_by_step() -> None:
    """4 x 0.005, 3 x 0.01, 2 x 0.03, and the last not under the one before it."""
    assert adjust_holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust_holm([0.5, 0.9]) == [1.0, 1.0]
    assert adjust_holm([]) == []
