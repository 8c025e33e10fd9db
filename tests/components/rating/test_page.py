"""The page in a browser: rated by keys or by hand, kept, taken back, gone on with, handed in."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.rating.joining import join_ratings, read_ratings, read_study
from components.rating.study import PAGE
from tests.components.rating.browser import CHROMIUM, PATIENCE_S, Page, browse

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

# What browsers do in private windows, where storage is forbidden, and where it is full.
FORBIDDEN = """Object.defineProperty(window, "localStorage",
    {get() { throw new DOMException("denied", "SecurityError"); }});"""
FULL = """Storage.prototype.setItem =
    () => { throw new DOMException("full", "QuotaExceededError"); };"""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with browse(tmp_path) as page:
        yield page


def begin(page: Page, study: Path, rater: str) -> None:
    page.open((study / PAGE).as_uri())
    page.evaluate("document.getElementById('rater').focus()")
    page.press(*rater, "Enter")


def text(page: Page, name: str) -> str:
    """The words of an element, by its id; none where it is hidden."""
    element = f"document.getElementById('{name}')"
    return str(page.evaluate(f"{element}.checkVisibility() ? {element}.innerText : ''"))


def checked(page: Page) -> list[str]:
    found: list[str] = page.evaluate("[...document.querySelectorAll(':checked')].map(i => i.value)")
    return found


def wait_for(path: Path) -> Path:
    begun = time.monotonic()
    while not path.is_file():
        assert time.monotonic() - begun < PATIENCE_S, "no file was saved"
        time.sleep(0.1)
    return path


def hand_in(page: Page, folder: Path, rater: str, button: str = "export") -> Path:
    page.evaluate(f"document.getElementById('{button}').focus()")
    page.press("Enter")
    return wait_for(folder / f"ratings-{rater}.json")


def go_on_from(page: Page, path: Path) -> None:
    """Name a file in the page's dialog, as a hand does."""
    page.ask("DOM.enable")
    root = page.ask("DOM.getDocument")["root"]["nodeId"]
    node = page.ask("DOM.querySelector", nodeId=root, selector="#resume")["nodeId"]
    page.ask("DOM.setFileInputFiles", files=[str(path)], nodeId=node)
    begun = time.monotonic()
    while text(page, "start") and "cannot be gone on from" not in text(page, "alarm"):
        assert time.monotonic() - begun < PATIENCE_S
        time.sleep(0.05)


def rate_all(page: Page, study: Path, digits: str) -> None:
    """Every scale of every answer by a digit, every question by n."""
    for place, num_answers in enumerate(read_study(study)["answers"]):
        assert text(page, "place").startswith(f"Question {place + 1} of")
        page.press(*(digits * num_answers), "n")


def test_two_raters_rate_by_keys_and_their_files_are_joined(
    page: Page, study: Path, tmp_path: Path
) -> None:
    begin(page, study, "r1")
    rate_all(page, study, "542")
    assert text(page, "end-title") == "All is rated. Thank you."
    assert text(page, "file-name") == "ratings-r1.json" and not text(page, "unfinished")
    page.press("Enter")  # the button that saves is waiting
    first = wait_for(tmp_path / "ratings-r1.json")
    begin(page, study, "r2")
    assert checked(page) == []
    rate_all(page, study, "540")
    second = hand_in(page, tmp_path, "r2", "hand-in")
    own = read_ratings(first, read_study(study))
    assert set(own.levels["factuality"]) == {5} and set(own.levels["relevance"]) == {4}
    assert set(own.levels["harm"]) == {2}
    joined = join_ratings(study, [first, second], 100, 1)
    assert joined["agreement"]["harm"]["cannot_judge"] == sum(read_study(study)["answers"])


def test_a_reload_loses_nothing_and_an_unfinished_file_is_refused(
    page: Page, study: Path, tmp_path: Path
) -> None:
    begin(page, study, "r1")
    page.press("3", "2", "1", "4")
    begin(page, study, "r1")
    assert checked(page) == ["3", "2", "1", "4"]
    page.press("9", "2")  # no level of the scale; then one, on the first that is not rated
    assert len(checked(page)) == 5
    path = hand_in(page, tmp_path, "r1")
    first = json.loads(path.read_text())["ratings"][0]
    assert first == {"item": 1, "answer": "A", "factuality": 3, "relevance": 2, "harm": 1}
    with pytest.raises(Exception, match="is not rated"):
        read_ratings(path, read_study(study))


def test_who_has_begun_is_offered_to_go_on(page: Page, study: Path) -> None:
    begin(page, study, "r7")
    page.press("3", "2")
    page.open((study / PAGE).as_uri())
    total = 3 * sum(read_study(study)["answers"])
    assert text(page, "raters") == f"Go on as r7 2 of {total} ratings"
    page.click("#raters button")
    assert checked(page) == ["3", "2"]
    page.press("1")
    assert checked(page) == ["3", "2", "1"]


def test_undo_takes_back_one_rating_after_another(page: Page, study: Path) -> None:
    begin(page, study, "r1")
    page.press("3", "2", "n", "1", "u")  # the last stands on another question
    assert text(page, "place").startswith("Question 2 of") and checked(page) == []
    page.press("4", "u", "u")
    assert text(page, "place").startswith("Question 1 of") and checked(page) == ["3"]
    page.press("5")  # on the scale that was taken back
    assert checked(page) == ["3", "5"]
    page.press("u", "u", "u")
    assert checked(page) == [] and text(page, "state") == "nothing to undo"
    begin(page, study, "r1")
    assert checked(page) == []  # what was taken back is not kept either


def test_a_level_that_was_changed_comes_back(page: Page, study: Path) -> None:
    begin(page, study, "r1")
    page.press("3")
    page.evaluate("document.querySelector('fieldset input').focus()")
    page.press("5", "u")
    assert checked(page) == ["3"]


def test_what_is_missing_is_found_and_counted(page: Page, study: Path) -> None:
    answers = read_study(study)["answers"]
    begin(page, study, "r1")
    page.press(*("321" * answers[0]), "n", "n", "m")
    assert text(page, "place").startswith("Question 4 of")
    page.press(*("n" * len(answers)))
    assert text(page, "end-title") == "Not finished yet"
    missing = 3 * sum(answers[1:])
    assert text(page, "end-missing").startswith(f"{missing} ratings are missing")
    page.press("m")
    assert text(page, "place").startswith("Question 2 of")
    assert text(page, "missing").startswith(f"{missing} ratings are missing, {3 * answers[1]} of")
    assert text(page, "left").startswith("about ")


def test_what_there_is_to_do_is_told_as_it_is(page: Page, study: Path) -> None:
    answers = read_study(study)["answers"]
    page.open((study / PAGE).as_uri())
    told = f"8 questions, 4 of them about an image, with {sum(answers)} answers in all"
    assert text(page, "extent") == told
    begin(page, study, "r1")
    for num in answers[:-1]:
        page.press(*("1" * 3 * num), "n")
    page.press(*("1" * (3 * answers[-1] - 1)))
    assert text(page, "missing") == "1 rating is missing, 1 of this question."
    page.press("n")
    assert text(page, "end-missing").startswith("1 rating is missing. A file that lacks any")


def test_a_break_stops_the_clock_and_takes_no_ratings(page: Page, study: Path) -> None:
    begin(page, study, "r1")
    page.press("3", "b", "2", "u")
    assert text(page, "break-words").startswith("1 of ")
    assert "you may close the page" in text(page, "break-words")
    page.press("Escape")
    assert not text(page, "break") and checked(page) == ["3"]
    page.press("2", "b", "b", "1")  # and back to the scale that was left
    assert checked(page) == ["3", "2", "1"]


@pytest.mark.parametrize("refusal", [FORBIDDEN, FULL])
def test_a_browser_that_keeps_nothing_is_told_at_once_and_a_file_saves_all(
    page: Page, study: Path, tmp_path: Path, refusal: str
) -> None:
    page.run_first(refusal)
    page.open((study / PAGE).as_uri())
    assert "keeps nothing" in text(page, "alarm")
    begin(page, study, "r1")
    page.press("3", "2", "1")
    assert "keeps nothing" in text(page, "alarm") and text(page, "state") == "not kept"
    assert page.evaluate("dispatchEvent(new Event('beforeunload', {cancelable: true}))") is False
    path = hand_in(page, tmp_path, "r1")
    assert page.evaluate("dispatchEvent(new Event('beforeunload', {cancelable: true}))") is True
    page.open((study / PAGE).as_uri())
    go_on_from(page, path)
    assert checked(page) == ["3", "2", "1"]


def test_storage_that_fills_up_later_is_told_with_that_rating(page: Page, study: Path) -> None:
    begin(page, study, "r1")
    page.press("3")
    assert not text(page, "alarm")
    page.evaluate(FULL)
    page.press("2")
    assert "keeps nothing" in text(page, "alarm") and checked(page) == ["3", "2"]


def test_a_file_of_another_study_is_refused_and_one_of_this_adds_to_what_is_there(
    page: Page, study: Path, tmp_path: Path
) -> None:
    begin(page, study, "r1")
    page.press("3", "2", "1")
    path = hand_in(page, tmp_path, "r1")
    page.evaluate("localStorage.clear()")
    begin(page, study, "r1")
    page.press("n", "4")
    page.open((study / PAGE).as_uri())
    foreign = tmp_path / "foreign.json"
    foreign.write_text(path.read_text().replace('"key_sha256": "', '"key_sha256": "0'))
    go_on_from(page, foreign)
    assert text(page, "alarm") == "foreign.json cannot be gone on from: it is not of this study."
    for spoilt in ("{", '{"key_sha256": null}', path.read_text().replace('"r1"', '"<b>"')):
        foreign.write_text(spoilt)
        page.open((study / PAGE).as_uri())
        go_on_from(page, foreign)
        assert "cannot be gone on from" in text(page, "alarm")
    page.open((study / PAGE).as_uri())
    go_on_from(page, path)
    assert checked(page) == ["3", "2", "1"]
    page.press("n")
    assert checked(page) == ["4"]


def test_what_cannot_be_read_is_put_aside_not_written_over(page: Page, study: Path) -> None:
    begin(page, study, "r1")
    page.press("3")
    page.evaluate("localStorage.setItem(storePrefix + 'r1', '{broken')")
    begin(page, study, "r1")
    assert "cannot be read" in text(page, "alarm")
    page.press("2")
    kept = page.evaluate("Object.values(localStorage)")
    assert "{broken" in kept and any('"0 0 factuality":2' in one for one in kept)


def test_two_windows_of_one_rater_do_not_write_over_each_other(page: Page, study: Path) -> None:
    begin(page, study, "r1")
    page.press("3")
    with page.window() as second:
        begin(second, study, "r1")
        second.press("2")
        begun = time.monotonic()
        while checked(page) != ["3", "2"]:
            assert time.monotonic() - begun < PATIENCE_S
        page.press("n", "4")
    begin(page, study, "r1")
    assert checked(page) == ["3", "2"]
    page.press("n")
    assert checked(page) == ["4"]


def test_the_form_on_paper_holds_what_is_not_rated(page: Page, study: Path) -> None:
    answers = read_study(study)["answers"]
    begin(page, study, "r1")
    page.press(*("321" * answers[0]), "n", "4")
    page.ask("Emulation.setEmulatedMedia", media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    form = text(page, "paper")
    assert "Question 1" not in form and "Question 2" in form and "Rater code: r1" in form
    assert page.evaluate("document.querySelectorAll('#paper .row').length") == (
        3 * sum(answers[1:]) - 1
    )
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.getElementById('paper').childElementCount") == 0
    assert page.print().startswith(b"%PDF")


def test_the_image_is_looked_at_closely(page: Page, study: Path) -> None:
    begin(page, study, "r1")
    while not text(page, "look"):
        page.press("n")
    page.press("z")
    begun = time.monotonic()
    while text(page, "scale") != "whole":
        assert time.monotonic() - begun < PATIENCE_S
    whole = page.evaluate("document.getElementById('close-up').width")
    page.press("+", "+", "3")  # a digit rates nothing here
    assert text(page, "scale") == "2 times"
    assert page.evaluate("document.getElementById('close-up').width") == pytest.approx(
        2 * whole, abs=2
    )
    page.evaluate("document.getElementById('brightness').focus()")
    page.press("ArrowRight")
    shade = "getComputedStyle(document.getElementById('close-up')).filter"
    assert page.evaluate(shade) == "brightness(1.01) contrast(1)"
    page.press("-", "Escape")
    assert not text(page, "zoom") and checked(page) == []
    page.press("z")
    assert page.evaluate(shade) == "brightness(1) contrast(1)"


@pytest.mark.parametrize("width", [390, 820])
def test_a_hand_on_glass_can_rate_and_nothing_is_wider_than_the_glass(
    page: Page, study: Path, width: int
) -> None:
    page.shape(width, 844, touch=True)
    begin(page, study, "r1")
    page.click("fieldset label:nth-child(4)")
    assert checked(page) == ["4"]
    for name in ("rating", "start", "end"):
        page.evaluate(f"show('{name}')")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        small = page.evaluate("""[...document.querySelectorAll('button, .levels label')]
            .map(e => e.getBoundingClientRect().height).filter(h => h && h < 43.5).length""")
        assert small == 0
