"""Scores by two lists of answers stand side by side, and it is said why they differ."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from components.evaluation.conditions import OTHER_ANSWERS
from components.report.inputs import ReportInputs
from components.report.page import build_report
from components.report.scores import list_other_answers

OTHER = {"candidates": "paper", "num_candidates": 479, "answers_outside": 0.0}


@pytest.fixture
def told(inputs: ReportInputs) -> ReportInputs:
    """VQA-RAD's two lists differ, SLAKE's are one."""
    metrics = copy.deepcopy({"debug": inputs.metrics["debug"]})
    rad, slake = metrics["debug"]["vqa_rad"], metrics["debug"]["slake"]
    rad["other"], rad["num_candidates"] = OTHER, 432
    slake["other"] = OTHER | {"num_candidates": slake["num_candidates"], "answers_outside": 12.5}
    found = {"value": 61.25, "low": 55.0, "high": 67.0}
    gain = {"gain": -4.75, "gain_low": -7.5, "gain_high": -2.25}
    rad["scores"][rad["headline"]]["all"]["conditions"][OTHER_ANSWERS] = found | gain
    return replace(inputs, metrics=metrics)


def test_both_scores_and_the_difference_are_shown(told: ReportInputs) -> None:
    rad, slake = list_other_answers(told)
    assert (rad.row.dataset, rad.used, rad.is_same) == ("vqa_rad", "train", False)
    assert (slake.row.dataset, slake.of, slake.is_same) == ("slake", None, True)
    page = build_report(told)
    shown = page.partition("With the answers of the test split among them")[2].partition("<h3>")[0]
    for words in ("432 answers, 12.5 % of the items lack theirs", "479 answers, 0.0 %", "61.2",
                  "the same list", "differs from the other by the list alone"):  # fmt: skip
        assert words in shown
    assert 'data-value="4.75"' in shown and "+4.8" in shown  # the other list's score is higher


def test_without_two_lists_there_is_no_such_table(inputs: ReportInputs) -> None:
    assert list_other_answers(inputs) == []
    assert "With the answers of the test split among them" not in build_report(inputs)
