"""The page in a browser: rated by keys alone, kept over a reload, handed in as a file."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from components.rating.joining import join_ratings, read_ratings, read_study
from components.rating.study import PAGE
from tests.components.rating.browser import CHROMIUM, Page, browse

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


def begin(page: Page, study: Path, rater: str) -> None:
    page.open((study / PAGE).as_uri())
    page.evaluate("document.getElementById('rater').focus()")
    page.press(*rater, "Enter")


def hand_in(page: Page, folder: Path, rater: str) -> Path:
    page.evaluate("document.getElementById('export').focus()")
    page.press("Enter")
    path, begun = folder / f"ratings-{rater}.json", time.monotonic()
    while not path.is_file():
        assert time.monotonic() - begun < 20, "no file was saved"
        time.sleep(0.1)
    return path


def rate_all(page: Page, study: Path, digits: str) -> None:
    """Every scale of every answer by a digit, every question by n."""
    for place, num_answers in enumerate(read_study(study)["answers"]):
        assert page.evaluate("document.getElementById('place').textContent").startswith(
            f"Question {place + 1} of"
        )
        page.press(*(digits * num_answers), "n")


def test_two_raters_rate_by_keys_and_their_files_are_joined(study: Path, tmp_path: Path) -> None:
    with browse(tmp_path) as page:
        begin(page, study, "r1")
        rate_all(page, study, "542")
        told = page.evaluate("document.getElementById('missing').textContent")
        assert told == "All is rated. Save the ratings to a file, and hand that in."
        first = hand_in(page, tmp_path, "r1")
        begin(page, study, "r2")
        assert page.evaluate("document.querySelectorAll(':checked').length") == 0
        rate_all(page, study, "540")
        second = hand_in(page, tmp_path, "r2")
    own = read_ratings(first, read_study(study))
    assert set(own.levels["factuality"]) == {5} and set(own.levels["relevance"]) == {4}
    assert set(own.levels["harm"]) == {2}
    joined = join_ratings(study, [first, second], 100, 1)
    assert joined["agreement"]["harm"]["cannot_judge"] == sum(read_study(study)["answers"])


def test_a_reload_loses_nothing_and_an_unfinished_file_is_refused(
    study: Path, tmp_path: Path
) -> None:
    with browse(tmp_path) as page:
        begin(page, study, "r1")
        page.press("3", "2", "1", "4")
        begin(page, study, "r1")
        assert page.evaluate("[...document.querySelectorAll(':checked')].map(i => i.value)") == [
            "3", "2", "1", "4",
        ]  # fmt: skip
        page.press("9", "2")  # no level of the scale; then one, on the first that is not rated
        assert page.evaluate("document.querySelectorAll(':checked').length") == 5
        path = hand_in(page, tmp_path, "r1")
    first = json.loads(path.read_text())["ratings"][0]
    assert first == {"item": 1, "answer": "A", "factuality": 3, "relevance": 2, "harm": 1}
    with pytest.raises(Exception, match="is not rated"):
        read_ratings(path, read_study(study))
