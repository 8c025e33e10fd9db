"""The page in a real browser: chosen, asked, shown where it read, by mouse and by keys alone."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from components.sample.dicom import encode_dicom
from components.web.serve import open_house
from tests.components.web.browser import CHROMIUM, WebPage, open_page
from tests.components.web.conftest import running
from tests.components.web.test_app import QUESTION, draw

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]
ANSWER = "#thread > li:last-child .answer"


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def ask(page: WebPage, question: str) -> str:
    """Type a question, press Enter, wait for the answer."""
    before = page.evaluate("document.querySelectorAll('.answer').length")
    page.click("#question")
    page.ask("Input.insertText", text=question)
    page.press("Enter")
    page.wait(f"document.querySelectorAll('.answer').length > {before}")
    return page.text(ANSWER)


def test_an_example_is_clicked_asked_about_and_shown(server: str, tmp_path: Path) -> None:
    with open_page(tmp_path, server) as page:
        assert "not for clinical use" in page.text("header")
        page.click("#examples button")
        page.click("#suggestions button")
        page.wait(f"document.querySelector('{ANSWER}')")
        assert page.text(ANSWER) in ("yes", "no")
        assert "Without the image" in page.text(".looking")
        page.click(".reading button")
        assert page.wait("!document.getElementById('heat').hidden")
        painted = "document.getElementById('heat').getContext('2d')."
        painted += "getImageData(0, 0, innerWidth, innerHeight).data"
        assert page.evaluate(f"[...{painted}].some((value) => value > 0)")
        assert page.evaluate("document.querySelector('.reading button').ariaPressed") == "true"
        page.click("#hide")
        assert page.evaluate("document.getElementById('heat').hidden")
        page.click("#sees summary")
        assert "256 image tokens" in page.text("#tokens-words")
        assert page.evaluate("document.getElementById('tokens').naturalWidth") == 128
        page.click("#about summary")
        assert "sha256" in page.text("#facts")


def test_follow_ups_stand_in_a_thread_and_an_old_picture_comes_back(
    server: str, tmp_path: Path
) -> None:
    first = write(tmp_path, "film.png", draw(1, (90, 60)))
    pixels = np.random.default_rng(2).integers(0, 255, (40, 40), np.uint8)
    second = write(tmp_path, "slice.dcm", encode_dicom(pixels, {}, "1.2.3"))
    with open_page(tmp_path, server) as page:
        page.choose(first)
        page.wait("document.getElementById('caption').textContent.includes('film.png')")
        ask(page, QUESTION)
        ask(page, "Is it large?")
        page.choose(second)
        page.wait("document.getElementById('caption').textContent.includes('DICOM')")
        ask(page, QUESTION)
        assert page.evaluate("document.querySelectorAll('#thread > li').length") == 3
        page.click("#thread > li:first-child .reading button")
        assert "film.png" in page.text("#caption")


def test_the_page_works_by_keys_alone(server: str, tmp_path: Path) -> None:
    with open_page(tmp_path, server) as page:
        page.wait("document.querySelectorAll('#examples button').length")
        reach(page, "#examples button")
        page.press("Enter")
        page.wait("document.activeElement.id === 'question'")
        page.ask("Input.insertText", text=QUESTION)
        page.press("Enter")
        page.wait(f"document.querySelector('{ANSWER}')")
        page.evaluate("document.querySelector('.jump').focus()")
        reach(page, "#file", "document.getElementById('another')")
        reach(page, ".reading button")
        page.press("Enter")
        assert page.wait("!document.getElementById('heat').hidden")


def reach(page: WebPage, selector: str, seen: str = "document.activeElement") -> None:
    """Press Tab until an element has the focus, which must be seen there or in its stead."""
    for _ in range(40):
        page.press("Tab")
        if page.evaluate(f"document.activeElement.matches({selector!r})"):
            assert page.evaluate(f"getComputedStyle({seen}).outlineStyle") == "solid"
            return
    raise AssertionError(f"{selector} cannot be reached by Tab")


def test_a_question_that_is_too_long_is_told_and_stays_in_its_box(
    server: str, tmp_path: Path
) -> None:
    with open_page(tmp_path, server) as page:
        page.choose(write(tmp_path, "film.png", draw()))
        page.wait("document.getElementById('image').naturalWidth")
        page.evaluate("document.getElementById('question').value = 'a'.repeat(2001)")
        page.click("#send")
        page.wait("!document.getElementById('ask-error').hidden")
        assert "2,001 characters; at most 2,000" in page.text("#ask-error")
        assert page.evaluate("document.getElementById('question').value.length") == 2001
        assert page.evaluate("document.querySelectorAll('#thread > li').length") == 0


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_all_of_it_without_scrolling_sideways(
    server: str, tmp_path: Path, dark: bool
) -> None:
    with open_page(tmp_path, server) as page:
        page.resize(360, 740, dark=dark)
        page.click("#examples button")
        page.wait("document.querySelector('#suggestions button')")
        ask(page, "Is " + "averyveryverylongword" * 8 + " there?")
        for part in ("#about", "#sees", "footer details"):
            page.click(f"{part} summary")
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (colour == "rgb(22, 23, 22)") is dark


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"only words\n" * 20, "no image"), (b"", "empty file"), (draw()[:200], "damaged")],
)
def test_a_bad_file_is_told_beside_the_picture(
    server: str, tmp_path: Path, content: bytes, words: str
) -> None:
    with open_page(tmp_path, server) as page:
        page.choose(write(tmp_path, "picture.png", content))
        page.wait("!document.getElementById('picture-error').hidden")
        assert words in page.text("#picture-error")


def test_no_picture_and_an_empty_question_are_told_beside_the_box(
    server: str, tmp_path: Path
) -> None:
    with open_page(tmp_path, server) as page:
        page.click("#send")
        assert "no picture yet" in page.text("#ask-error")
        page.choose(write(tmp_path, "film.png", draw()))
        page.wait("document.getElementById('image').naturalWidth")
        assert page.evaluate("document.getElementById('ask-error').hidden")
        page.click("#send")
        assert "question is empty" in page.text("#ask-error")
        ask(page, QUESTION)
        assert page.evaluate("document.getElementById('ask-error').hidden")


def test_what_the_server_refuses_is_told_in_the_thread(server: str, tmp_path: Path) -> None:
    with open_page(tmp_path, server) as page:
        page.choose(write(tmp_path, "film.png", draw()))
        page.wait("document.getElementById('image').naturalWidth")
        # a sign that is blank to the server and not to the page, which would tell it by itself
        page.evaluate("document.getElementById('question').value = '\\u001f'")
        page.click("#send")
        page.wait("document.querySelector('#thread .notice')")
        assert "The question is empty" in page.text("#thread .notice")


def test_a_question_that_waits_can_be_stopped(model_folder: Path, tmp_path: Path) -> None:
    """The desk is held by other work, so that the question really waits."""
    held, house = threading.Event(), open_house(model_folder, "cpu")
    with running(house) as server, open_page(tmp_path, server) as page:
        page.choose(write(tmp_path, "film.png", draw()))
        page.wait("document.getElementById('image').naturalWidth")
        house.desk.run(lambda: held.wait(60))
        page.click("#question")
        page.ask("Input.insertText", text=QUESTION)
        page.press("Enter")
        page.wait("document.querySelector('.waiting')")
        page.click(".waiting button")
        page.wait("document.querySelector('#thread .notice')")
        assert "You stopped" in page.text("#thread .notice")
        held.set()
        page.click("#thread .notice button")
        page.wait(f"document.querySelector('{ANSWER}')")


def test_a_question_never_goes_to_the_picture_before_the_one_that_was_chosen(
    model_folder: Path, tmp_path: Path
) -> None:
    """The desk is held by other work, so that the new picture is not there yet."""
    held, house = threading.Event(), open_house(model_folder, "cpu")
    with running(house) as server, open_page(tmp_path, server) as page:
        page.choose(write(tmp_path, "old.png", draw(1)))
        page.wait("document.getElementById('caption').textContent.includes('old.png')")
        house.desk.run(lambda: held.wait(60))
        page.choose(write(tmp_path, "new.png", draw(2)))
        page.click("#question")
        page.ask("Input.insertText", text=QUESTION)
        page.press("Enter")
        assert "still being read" in page.text("#ask-error")
        assert not page.evaluate("document.querySelectorAll('#thread > li').length")
        held.set()
        page.wait("document.getElementById('caption').textContent.includes('new.png')")
        assert page.evaluate("document.getElementById('ask-error').hidden")
        page.press("Enter")  # the question still stands there
        page.wait(f"document.querySelector('{ANSWER}')")
        assert page.evaluate("document.querySelector('#thread img').alt") == "About new.png"


def test_the_picture_that_was_chosen_last_is_shown_whichever_is_read_first(
    server: str, tmp_path: Path
) -> None:
    with open_page(tmp_path, server) as page:
        page.evaluate("""(() => {
            const fetch = window.fetch;
            let num = 0;
            window.arrived = 0;
            window.fetch = async (...given) => {
                if (given[0] === "/api/see" && !num++)
                    await new Promise((end) => setTimeout(end, 1500));
                try { return await fetch(...given); } finally { window.arrived++; }
            };
        })()""")  # fmt: skip
        page.choose(write(tmp_path, "slow.png", draw(1)))
        page.choose(write(tmp_path, "quick.png", draw(2)))
        page.wait("arrived === 2")
        page.wait("!document.querySelector('.frame').classList.contains('busy')")
        assert "quick.png" in page.text("#caption")
        assert page.evaluate("document.getElementById('picture-error').hidden")
