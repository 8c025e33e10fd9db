"""What a reader is told of images and questions that turn out not to be needed."""

from __future__ import annotations

from typing import Any

import pytest

from components.report.flags import find_flags
from components.report.inputs import ReportInputs
from components.report.looks import view_looks
from components.report.page import build_report
from components.report.scores import list_scores
from tests.components.report.test_findings import with_scores


def lose(gain: float) -> dict[str, Any]:
    """A condition that costs so much, give or take five."""
    return {"value": 50.0, "low": 45.0, "high": 55.0, "gain": gain, "gain_low": gain - 5,
            "gain_high": gain + 5}  # fmt: skip


def told(inputs: ReportInputs, **losses: float) -> dict[str, tuple[str, str]]:
    """Titles of the flags of this section, with level and detail."""
    changed = with_scores(
        inputs,
        falls_when_blank=losses.get("blank", 20) > 5,
        conditions={name: lose(gain) for name, gain in losses.items()},
    )
    flags = find_flags(changed, list_scores(changed, changed.metrics), [])
    return {flag.title: (flag.level, flag.detail) for flag in flags if flag.section == "looks"}


@pytest.mark.parametrize("condition", ["noise", "swapped", "text_only"])
def test_an_image_that_could_be_another_is_a_red_flag(inputs: ReportInputs, condition: str) -> None:
    assert told(inputs, blank=20, **{condition: 20}) == {}
    ((title, (level, detail)),) = told(inputs, blank=20, **{condition: 2}).items()
    assert level == "red"
    assert title.startswith("The score falls on a grey image, but stays with this: ")
    assert "VQA-RAD (debug, micro)" in detail


def test_a_grey_image_is_told_once(inputs: ReportInputs) -> None:
    assert told(inputs, blank=1, noise=1) == {}


def test_a_question_that_is_not_needed_is_a_note(inputs: ReportInputs) -> None:
    assert told(inputs, blank=20, no_question=20) == {}
    ((title, (level, _)),) = told(inputs, blank=20, no_question=0).items()
    assert (level, title[:24]) == ("note", "The question is not need")


def test_a_table_has_the_conditions_that_were_tried(inputs: ReportInputs) -> None:
    tried = with_scores(inputs, conditions={"no_question": lose(3), "noise": lose(30)})
    view = view_looks(list_scores(tried, tried.metrics))
    assert [name for name, _ in view.conditions] == ["noise", "no_question"]
    assert all([loss.is_alarming for loss in row.losses if loss] == [False] * 2
               for row in view.rows)  # fmt: skip
    flat = with_scores(inputs, conditions={"noise": lose(0)})
    view = view_looks(list_scores(flat, flat.metrics))
    assert all([loss.is_alarming for loss in row.losses if loss] == [True] for row in view.rows)
    assert "Is the image used?" in build_report(tried)


def test_nothing_tried_is_said(inputs: ReportInputs) -> None:
    bare = with_scores(inputs, conditions={})
    assert view_looks(list_scores(bare, bare.metrics)).rows == []
    assert "Nothing was asked under more than one condition" in build_report(bare)
