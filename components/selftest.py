"""The promises of docs/promises.md, tried on this machine: the page names the tests of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from components.errors import UserError
from components.progress import show_progress

PAGE = Path("docs/promises.md")
CHAOS = "chaos"  # the heading of those that take a quarter of an hour
CHAOS_MINUTES = "BIOMEDGPT_CHAOS_MINUTES"  # in the environment: how long a pipeline is struck
HEADING = re.compile(r"^## (.+)$")
ITEM = re.compile(r"^- \*\*(.+?)\*\*", re.DOTALL)
TEST = re.compile(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")
NOT_THE_NAME = re.compile(r"[\[@].*", re.DOTALL)  # of a test: its parameters, its group
TOGETHER = ["-n", "2", "--dist", "loadgroup"]  # options of pytest-xdist: two tests at a time
Status = Literal["kept", "broken", "not tried"]


@dataclass
class Promise:
    """What is promised, under which heading, and the tests that keep it, as pytest names them."""

    heading: str
    words: str
    tests: list[str]
    outcomes: dict[str, list[str]] = field(default_factory=dict)
    reasons: set[str] = field(default_factory=set)  # for which tests were left out

    @property
    def is_chaos(self) -> bool:
        """Whether it takes long, and is tried only when that is asked for."""
        return CHAOS in self.heading.lower()

    @property
    def status(self) -> Status:
        """Broken when any of its tests failed; not tried when one did not run to its end."""
        found = [self.outcomes.get(test, []) for test in self.tests]
        if any("failed" in outcomes for outcomes in found):
            return "broken"
        return "kept" if all("passed" in outcomes for outcomes in found) else "not tried"


def read_promises(page: Path = PAGE, *, chaos: bool = False) -> list[Promise]:
    """The promises of the page; those that take long only with ``chaos``.

    UserError where the page, or the tests that it names, are not there.
    """
    if not page.is_file() or not Path("tests").is_dir():
        raise UserError(
            f"{page} and tests/ are not here",
            why="an installed package has neither: promises are tried in the project's folder",
            next_command="change to the folder that you cloned",
        )
    promises, heading = [], ""
    for block in re.split(r"\n(?=- \*\*|## )|\n\n", page.read_text()):
        if found := HEADING.match(block):
            heading = found[1]
        elif found := ITEM.match(block):
            words = " ".join(found[1].split())
            tests = [f"{path}::{name}" for name, path in TEST.findall(block)]
            promises.append(Promise(heading, words, tests))
    return [promise for promise in promises if chaos or not promise.is_chaos]


class Recorder:
    """A plugin of pytest that notes what became of each test, tells of a failure at once, and shows
    on ``stack`` how many of them have ended."""

    def __init__(
        self, promises: Iterable[Promise], tell: Callable[[str], None], stack: ExitStack
    ) -> None:
        self.promises, self.tell, self.stack = list(promises), tell, stack
        self.errors: dict[str, str] = {}
        self.unread: dict[str, str] = {}  # files of tests that could not be imported
        self.done = 0
        self.advance: Callable[[int, str], None] | None = None

    def _expect(self, num_tests: int) -> None:
        if self.advance is None and num_tests:  # each worker tells of the same tests
            self.advance = self.stack.enter_context(show_progress("tests", num_tests))

    def pytest_collection_finish(self, session: Any) -> None:
        """Called by pytest once the tests are known."""
        self._expect(len(session.items))

    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Called by pytest's workers instead, where it has some."""
        self._expect(len(ids))

    def pytest_collectreport(self, report: Any) -> None:
        """Called by pytest for each file of tests, and of its workers once for each error."""
        if report.failed:
            self.unread[report.nodeid] = report.longreprtext

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Called by pytest after each test."""
        self.done += 1
        if self.advance:
            self.advance(self.done, nodeid.partition("::")[0])

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Called by pytest for the set-up, the call and the end of each test."""
        if report.when != "call" and report.outcome == "passed":
            return
        name = NOT_THE_NAME.sub("", report.nodeid)
        if report.outcome == "failed":
            self.errors[name] = report.longreprtext
            self.tell(f"failed: {report.nodeid}")
        for promise in self.promises:
            if name in promise.tests:
                promise.outcomes.setdefault(name, []).append(report.outcome)
                if report.outcome == "skipped":
                    promise.reasons.add(report.longrepr[2].removeprefix("Skipped: "))


def try_promises(promises: list[Promise], tell: Callable[[str], None]) -> dict[str, str]:
    """Run the tests of the promises, whose outcomes are noted with them; the errors, by test.

    Those of chaos come last and one by one, since they look at what is running.
    UserError where pytest is not installed, or ends before it has run the tests.
    """
    usual = [promise for promise in promises if not promise.is_chaos]
    errors = _run_tests(usual, tell, TOGETHER) if usual else {}
    chaos = [promise for promise in promises if promise.is_chaos]
    return errors | (_run_tests(chaos, tell, []) if chaos else {})


def _run_tests(
    promises: list[Promise], tell: Callable[[str], None], options: list[str]
) -> dict[str, str]:
    try:
        import pytest
    except ImportError:
        raise UserError("pytest is not installed", next_command="make install") from None
    tests = sorted({test for promise in promises for test in promise.tests})
    # Without its terminal, which speaks of dots; addopts of pyproject.toml are options of that one.
    words = ["-p", "no:terminal", "-p", "no:cacheprovider", "-o", "addopts=", *options]
    with ExitStack() as stack:
        recorder = Recorder(promises, tell, stack)
        status = pytest.ExitCode(pytest.main([*words, *tests], [recorder]))
    if recorder.unread or status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        first = next(iter(recorder.unread), tests[0])
        raise UserError(
            f"the tests could not be run (pytest: {status.name.lower().replace('_', ' ')})",
            why=recorder.unread.get(first, ""),
            next_command=f"python -m pytest {first}",
        )
    return recorder.errors
