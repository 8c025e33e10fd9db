"""The section on size: every pair, the curve over parameters, and a verdict that can be bad."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.evaluation.intervals import Interval
from components.report.flags import find_flags
from components.report.inputs import ReportInputs, ScaleGain
from components.report.page import build_report
from components.report.scaling import (
    count_readings,
    find_parameters,
    judge_gains,
    list_gains,
    plot_scaling,
)
from components.report.scores import list_scores

SIZES = ["base", "large", "xlarge"]


def gain(smaller: str, larger: str, value: float, adjusted: float) -> ScaleGain:
    interval = Interval(value, value - 2, value + 2, 100, 50)
    return ScaleGain("vqa_rad", smaller, larger, interval, adjusted / 8, adjusted, 0.05)


def test_scaling_needs_two_sizes(inputs: ReportInputs) -> None:
    slopes = plot_scaling(inputs, list_scores(inputs, inputs.metrics))
    assert len(slopes) == 8
    assert [slope.verdict for slope in slopes] == [
        *["grows"] * 3, *["flat: no difference shown"] * 5,
    ]  # fmt: skip
    one = {inputs.params.sizes[0]: inputs.metrics[inputs.params.sizes[0]]}
    assert plot_scaling(inputs, list_scores(inputs, one)) == []


def test_sizes_stand_where_their_parameters_are(inputs: ReportInputs) -> None:
    params = inputs.params.model_copy(update={"sizes": SIZES})
    metrics = dict(zip(SIZES, [*inputs.metrics.values(), next(iter(inputs.metrics.values()))],
                       strict=True))  # fmt: skip
    counts = {"base": 182_240_000, "large": 472_980_000, "xlarge": 929_490_000}
    manifests = {
        f"data/models/finetuned/{size}/vqa_rad": {"notes": {"parameters": num}}
        for size, num in counts.items()
    }
    found = replace(inputs, params=params, metrics=metrics, manifests=manifests)
    assert find_parameters(found, "large") == 472_980_000
    slope = plot_scaling(found, list_scores(found, metrics))[0]
    first, second, third = (x for x, *_ in slope.labels)
    assert (second - first) / (third - first) == pytest.approx(0.5855, abs=0.002)
    assert [printed for *_, printed in slope.labels] == [
        "182 million", "473 million", "929 million",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("gains", "verdict", "alert"),
    [
        ([(5, 0.01), (9, 0.01), (4, 0.01)], "grows", False),
        (
            [(5, 0.01), (5, 0.01), (0, 0.9)],
            "grows; no larger size is significantly better than large", False,
        ),
        ([(1, 0.9), (2, 0.6), (1, 0.9)], "flat: no difference shown", False),
        (
            [(-6, 0.01), (1, 0.9), (7, 0.01)],
            "flat: no difference shown; significantly worse from base to large", True,
        ),
        (
            [(-6, 0.01), (-6, 0.01), (0, 0.9)],
            "falls; significantly worse from base to large, base to xlarge", True,
        ),
    ],
)  # fmt: skip
def test_the_verdict_names_where_growth_stops_and_what_falls(
    gains: list[tuple[float, float]], verdict: str, alert: bool
) -> None:
    pairs = [("base", "large"), ("base", "xlarge"), ("large", "xlarge")]
    made = [gain(*pair, *of) for pair, of in zip(pairs, gains, strict=True)]
    assert judge_gains(SIZES, made) == (verdict, alert)


def test_a_larger_size_that_is_worse_is_a_red_flag(inputs: ReportInputs) -> None:
    sizes = inputs.params.sizes
    planted = replace(inputs, scale_gains=[gain(sizes[0], sizes[1], -6, 0.01)])
    flags = {flag.title: flag for flag in find_flags(planted, [], [])}
    assert flags["A larger size is significantly worse"].level == "red"
    assert "No significant gain from the larger size" not in flags
    (row,) = list_gains(planted)
    assert row.reading == "worse"
    (reading,) = count_readings(planted)
    assert (reading.num, reading.num_better, reading.num_worse) == (1, 0, 1)
    assert "significantly better on 0 of 1 data sets, significantly worse on 1" in build_report(
        planted
    )
