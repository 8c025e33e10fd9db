"""Agreement of raters, against published examples."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from components.evaluation.intervals import Groups, bootstrap, find_groups
from components.rating.agreement import cohen_kappas, estimate_alpha, fleiss_kappa
from components.rating.joining import HandedIn, measure_agreement

# Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, section E: 4 observers, 12 units.
KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ]
)
# Fleiss' example of 14 raters and 10 units as it is commonly given: counts of 5 categories.
FLEISS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def alpha(ratings_RU: np.ndarray, num_levels: int) -> float:
    groups = Groups(np.arange(ratings_RU.shape[1]), ratings_RU.shape[1])
    return float(estimate_alpha(ratings_RU, num_levels, groups)(groups.every)[0])


def test_alpha_is_that_of_its_author() -> None:
    assert alpha(KRIPPENDORFF, 5) == pytest.approx(0.815, abs=0.0005)


def test_alpha_of_agreement_chance_and_its_opposite() -> None:
    generator = np.random.default_rng(2)
    one = generator.integers(1, 6, 4000)
    assert alpha(np.array([one, one]), 5) == 1
    assert alpha(np.array([one, generator.integers(1, 6, 4000)]), 5) == pytest.approx(0, abs=0.06)
    assert alpha(np.array([one, 6 - one]), 5) < -0.9
    assert np.isnan(alpha(np.full((2, 9), 3), 5))


def test_alpha_has_an_interval_over_questions() -> None:
    generator = np.random.default_rng(3)
    one = generator.integers(1, 6, 90)
    two = np.clip(one + generator.integers(-1, 2, 90), 1, 5)
    groups = find_groups([f"{i // 3:03d}" for i in range(90)])
    found = bootstrap(estimate_alpha(np.array([one, two]), 5, groups), groups, resamples=300)
    assert found.low is not None and found.high is not None
    assert found.low < found.value < found.high and found.num_groups == 30


def test_a_resample_is_the_same_as_its_rows_written_out() -> None:
    groups = Groups(np.arange(12), 12)
    drawn = np.array([[3, 0, 1, 2, 0, 1, 0, 1, 1, 1, 1, 1]], np.float64)
    rows = np.repeat(np.arange(12), drawn[0].astype(int))
    resampled = float(estimate_alpha(KRIPPENDORFF, 5, groups)(drawn)[0])
    assert resampled == pytest.approx(alpha(KRIPPENDORFF[:, rows], 5))


def test_fleiss_is_the_published_example() -> None:
    ratings = np.array([np.repeat(np.arange(1, 6), counts) for counts in FLEISS]).T
    assert fleiss_kappa(ratings, 5) == pytest.approx(0.210, abs=0.0005)
    assert fleiss_kappa(np.full((2, 4), 1), 5) is None
    assert fleiss_kappa(np.array([[1, 0], [0, 2]]), 5) is None


def test_cohen_is_of_each_two_and_of_what_both_rated() -> None:
    found = cohen_kappas(KRIPPENDORFF, 5, ["a", "b", "c", "d"])
    assert list(found) == ["a and b", "a and c", "a and d", "b and c", "b and d", "c and d"]
    expected = cohen_kappa_score([1, 2, 3, 3, 2, 1, 4, 1, 2], [1, 2, 3, 3, 2, 2, 4, 1, 2],
                                 weights="quadratic")  # fmt: skip
    assert found["a and b"] == pytest.approx(expected)
    assert cohen_kappas(np.full((2, 5), 2), 5, ["a", "b"]) == {"a and b": None}


def test_levels_that_nobody_gave_are_as_far_apart_as_ever() -> None:
    ours, theirs = np.array([1, 4, 5, 1, 5, 4]), np.array([1, 5, 5, 4, 5, 4])
    apart = ((ours - theirs) ** 2).mean()
    by_chance = ((ours[:, None] - theirs[None, :]) ** 2).mean()
    found = cohen_kappas(np.stack([ours, theirs]), 5, ["a", "b"])
    assert found["a and b"] == pytest.approx(1 - apart / by_chance)


def test_questions_that_are_all_alike_give_alpha_no_bounds() -> None:
    """Resamples then differ in their last digits alone."""
    study = {"answers": [1] * 7, "scales": {"harm": 5}}
    raters = [HandedIn(f"r{level}", {"harm": [level] * 7}, b"") for level in (1, 2, 2, 5)]
    found = measure_agreement(study, raters, 300, 0)["harm"]["krippendorff_alpha"]
    assert found["value"] < 0 and (found["low"], found["high"]) == (None, None)
