"""The report in a browser: answers are filtered and paged, tables sorted, texts stay texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.report.inputs import ReportInputs
from components.report.page import build_report
from tests.components.rating.browser import CHROMIUM, Page, browse
from tests.components.report.matrix import fill_matrix

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

EVIL = '</title></script><script>alert(1)</script><img src=x onerror="alert(2)">'
WATCH = """window.alarms = [];
window.alert = (words) => alarms.push(words);
addEventListener("securitypolicyviolation", (event) => alarms.push(event.violatedDirective));"""
SHOWN = "[...document.querySelectorAll('.sample')].filter(e => e.checkVisibility())"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browse(tmp_path_factory.mktemp("browser")) as page:
        page.run_first(WATCH)
        yield page


@pytest.fixture
def open_report(browser: Page, tmp_path: Path) -> Any:
    def open_report(inputs: ReportInputs) -> Page:
        path = tmp_path / "index.html"
        path.write_text(build_report(inputs), encoding="utf-8")
        browser.shape(1280, 900)
        browser.ask("Emulation.setEmulatedMedia", media="screen")
        browser.open(path.as_uri())
        return browser

    return open_report


@pytest.fixture
def matrix(inputs: ReportInputs, repository: Path) -> ReportInputs:
    return fill_matrix(inputs, repository / "data/cards")


def found(page: Page) -> str:
    return str(page.evaluate("document.getElementById('found').textContent"))


def test_answers_are_filtered_by_what_a_reader_looks_for(
    inputs: ReportInputs, open_report: Any
) -> None:
    page = open_report(inputs)
    smaller, larger = inputs.params.sizes
    assert found(page) == "6 items"
    page.select("#by-outcome", "wrong")
    assert found(page) == "3 of 6 items"  # where any size is wrong
    page.select("#by-size", larger)
    assert found(page) == "1 of 6 items"
    assert page.evaluate(f"{SHOWN}[0].querySelector('.question').textContent") == (
        "which side is the lesion on?"
    )
    sizes = page.evaluate(f"""[...{SHOWN}[0].querySelectorAll('.reply')]
        .filter(e => e.checkVisibility()).map(e => e.dataset.size)""")
    assert sizes == [larger]
    page.select("#by-outcome", "")
    page.select("#by-confidence", "low")
    assert found(page) == "2 of 6 items"
    page.click("#clear-filters")
    page.select("#by-modality", "x-ray")
    assert found(page) == "2 of 6 items"
    page.select("#by-dataset", "slake")
    assert found(page) == "0 of 6 items"
    assert page.evaluate("document.getElementById('none-found').checkVisibility()")
    page.click("#clear-filters")
    page.select("#by-order", "confidence")
    order = page.evaluate(f"""{SHOWN}.map(
        e => Math.min(...[...e.querySelectorAll('.reply')].map(r => +r.dataset.confidence)))""")
    assert order == sorted(order) and len(order) == 6
    assert smaller in page.evaluate(f"{SHOWN}[0].textContent")


def test_the_whole_matrix_is_one_small_page_whose_answers_are_turned_by_hand(
    matrix: ReportInputs, open_report: Any
) -> None:
    assert len(build_report(matrix).encode()) < 5_000_000
    page = open_report(matrix)
    num = len(matrix.samples)
    assert page.evaluate(f"{SHOWN}.length") == 12
    assert len(page.evaluate(f"[...new Set({SHOWN}.map(e => e.dataset.dataset))]")) == 12
    first = page.evaluate(f"{SHOWN}[0].textContent")
    assert found(page) == f"{num} items, 1 to 12 shown"
    page.click("#page-on")
    assert found(page) == f"{num} items, 13 to 24 shown"
    assert page.evaluate(f"{SHOWN}.length") == 12
    page.click("#page-back")
    assert page.evaluate(f"{SHOWN}[0].textContent") == first
    assert page.evaluate("document.getElementById('page-back').disabled")


def test_a_text_that_is_a_script_stays_a_text(inputs: ReportInputs, open_report: Any) -> None:
    sample = inputs.samples[0]
    reply = replace(sample.replies[0], answer=EVIL, blank_answer=EVIL)
    spoilt = replace(sample, question=EVIL, truth=EVIL, modality=EVIL, replies=[reply])
    page = open_report(replace(inputs, samples=[spoilt]))
    page.select("#by-modality", EVIL)
    assert found(page) == "1 item"
    for name in (".question", ".reply dd > span", ".label .mark"):
        assert page.evaluate(f"{SHOWN}[0].querySelector('{name}').textContent") == EVIL
    assert page.evaluate("alarms") == []
    assert page.evaluate("document.scripts.length") == 1
    assert page.evaluate("performance.getEntriesByType('resource').map(e => e.name)"
                         ".filter(name => !name.startsWith('data:'))") == []  # fmt: skip


def test_tables_are_sorted_by_keys_and_say_how(inputs: ReportInputs, open_report: Any) -> None:
    page = open_report(inputs)
    page.evaluate("window.table = document.querySelector('#scores table.sortable')")
    page.evaluate("table.rows[0].cells[2].querySelector('button').focus()")
    values = "[...table.tBodies[0].rows].map(row => Number(row.cells[2].dataset.value))"
    how = "[...table.rows[0].cells].map(cell => cell.getAttribute('aria-sort'))"
    page.press("Enter")
    rising = page.evaluate(values)
    assert rising == sorted(rising) and page.evaluate(how)[2] == "ascending"
    page.press("Enter")
    assert page.evaluate(values) == rising[::-1] and page.evaluate(how)[2] == "descending"
    page.press("Tab", "Enter")
    assert page.evaluate(how)[2:4] == [None, "ascending"]


def test_a_link_leads_to_its_section_though_what_lies_between_is_not_laid_out(
    matrix: ReportInputs, open_report: Any
) -> None:
    page = open_report(matrix)
    for name in ("audit", "scores", "versions"):
        page.click(f".rail a[href='#{name}']")
        top = page.evaluate(f"document.getElementById('{name}').getBoundingClientRect().top")
        last = page.evaluate("innerHeight + scrollY >= document.documentElement.scrollHeight - 2")
        assert 0 <= top < 40 or last, name


def test_fits_a_phone_and_a_sheet_of_paper(matrix: ReportInputs, open_report: Any) -> None:
    page = open_report(matrix)
    page.shape(390, 844, touch=True)
    page.evaluate("for (const one of document.querySelectorAll('section'))"
                  " one.style.contentVisibility = 'visible'")  # fmt: skip
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.shape(688, 1000)  # A4 less its margins
    page.ask("Emulation.setEmulatedMedia", media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    wide = """[...document.querySelectorAll('main *')]
        .filter(e => e.checkVisibility() && e.getBoundingClientRect().right > 714)
        .map(e => e.closest('section')?.id)"""
    assert set(page.evaluate(wide)) == set()
    for name in (".filters", ".pager", ".rail", "th button"):
        assert not page.evaluate(f"document.querySelector('{name}').checkVisibility()"), name
    assert page.evaluate("document.querySelector('th .printed').checkVisibility()")
