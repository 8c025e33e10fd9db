"""Bars in a terminal; every line as it is where there is none."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator

import pytest
from prefect.logging.handlers import PrefectConsoleHandler
from rich.console import Console

from components.progress import EVERY_S
from flows.display import Bars, show_bars


def record(line: str, stage: str = "fit") -> logging.LogRecord:
    made = logging.LogRecord("prefect.task_runs", logging.INFO, "", 0, line, (), None)
    made.task_run_name = stage
    return made


@pytest.fixture
def bars() -> Bars:
    return Bars(Console(file=io.StringIO(), force_terminal=True))


def test_a_line_of_progress_moves_the_bar_of_its_stage(bars: Bars) -> None:
    bars.begin("other")
    bars.begin("fit")
    assert not bars.filter(record("fit debug: 45/260, 24 s left loss 0.377"))
    other, fit = bars.progress.tasks
    assert (fit.description, fit.completed, fit.total) == ("fit", 45, 260)
    assert fit.fields["note"] == "24 s left loss 0.377"
    assert (other.completed, other.total) == (0, None)


def test_details_of_a_run_leave_the_bar_its_room(bars: Bars) -> None:
    bars.begin("fit")
    assert not bars.filter(record("fit: 45/260, 24 s left loss 0.377, lr 0.001, tokens/s 3,100"))
    assert bars.progress.tasks[0].fields["note"] == "24 s left loss 0.377"


@pytest.mark.parametrize("line", ["fit debug: done in 3.0 s", "PSNR 19.2 dB, 3/4 codes used"])
def test_other_lines_are_printed(bars: Bars, line: str) -> None:
    bars.begin("fit")
    assert bars.filter(record(line))


def test_an_error_that_ends_in_a_line_of_progress_is_printed(bars: Bars) -> None:
    bars.begin("fit")
    failed = record("Finished in state Failed('fit: 45/260, 24 s left')")
    failed.levelno = logging.ERROR
    assert bars.filter(failed)


def test_the_bar_itself_says_that_a_stage_has_begun(bars: Bars) -> None:
    bars.begin("fit")
    assert not bars.filter(record("fit started"))
    bars.end("fit")
    assert bars.progress.tasks == []
    assert bars.filter(record("fit started"))


@pytest.fixture(params=[True, False], ids=["terminal", "file"])
def console(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """The console that Prefect logs to."""
    monkeypatch.delenv(EVERY_S, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR" if request.param else "NO_COLOR", "1")
    handler = PrefectConsoleHandler(io.StringIO())
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    yield handler.console
    os.environ.pop(EVERY_S, None)


def test_bars_stand_below_the_lines_of_a_terminal_alone(console: Console) -> None:
    logger = logging.getLogger("stage")
    logger.setLevel(logging.INFO)
    with show_bars() as bars:
        bars.begin("fit")
        for line in ("fit: 45/260, 24 s left", "a line"):
            logger.info(line, extra={"task_run_name": "fit"})
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "a line\n" in shown
    assert ("fit: 45/260" in shown) == (not console.is_terminal)
    assert ("45/260 " in shown) == ("━" in shown) == console.is_terminal
    assert (EVERY_S in os.environ) == console.is_terminal
