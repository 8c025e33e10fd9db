"""What a person hears of a stage: its own words, not DVC's chatter."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from flows import settings, stage
from flows.order import _is_news
from flows.process import Finished
from flows.stage import explain_failure, is_news, reproduce

CHATTER = [
    "",
    "Running stage 'prepare@toy':",
    "> python -m components.stages.prepare --dataset toy",
    "Stage 'prepare@toy' didn't change, skipping",
    "Updating lock file 'dvc.lock'",
    "Generating lock file 'dvc.lock'",
    "To track the changes with git, run:",
    "\tgit add dvc.lock",
    "To enable auto staging, run:",
    "\tdvc config core.autostage true",
    "Use `dvc push` to send your updates to remote storage.",
    "Data and pipelines are up to date.",
    "WARNING: Auto removed it from the lock file.",
]
NEWS = ["pretrain debug: 10/600, 3 s left", "ERROR: failed to reproduce 'b'", "  why:  no file"]
FAILED = "ERROR: failed to reproduce 'b': failed to run: python b.py, exited with 2"


@pytest.mark.parametrize("line", CHATTER)
def test_chatter_is_dropped(line: str) -> None:
    assert not is_news(line)


@pytest.mark.parametrize("line", NEWS)
def test_news_is_kept(line: str) -> None:
    assert is_news(line)


def explain(*lines: str, status: int = 1, timed_out: bool = False) -> list[str]:
    return explain_failure(Finished(status, list(lines), timed_out), 90.0).splitlines()


def test_a_stage_s_own_error_is_all_that_is_shown() -> None:
    told = ["error in stage b: no file", "  why:  it is not there", "  next: make it"]
    assert explain("Running stage 'b':", "reading", *told, FAILED) == told


def test_without_an_own_error_the_last_lines_are_shown() -> None:
    lines = [f"line {i}" for i in range(40)]
    assert explain("Running stage 'b':", *lines, FAILED) == [*lines[-19:], FAILED]


def test_a_time_that_was_up_and_a_signal_are_told() -> None:
    assert explain("reading", status=-15, timed_out=True) == [
        "reading",
        "stopped: it ran longer than 90 s",
    ]
    assert explain("reading", status=-9) == ["reading", "stopped by signal 9"]


BUSY = """\
ERROR: failed to reproduce 'b': 'data/b' is busy, it is being blocked by:
  (PID 12): dvc repro

If there are no processes with such PIDs, you can manually remove 'tmp/rwlock' and try again."""
LOCKED = "ERROR: Unable to acquire lock. Most likely another DVC process is running"


@pytest.fixture
def fake_dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], Path]:
    """Make a DVC that finds a lock held for the first few calls; returns the log of its calls."""

    def make(words: str, num_held: int) -> Path:
        (tmp_path / "words").write_text(words)
        script, calls = tmp_path / "python", tmp_path / "calls"
        script.write_text(
            # the guard over commands is started by the same name, and is none of its calls
            f'#!/bin/sh\n[ "$2" = dvc ] || exec {sys.executable} "$@"\n'
            f"cd {tmp_path}; echo call >> calls\n"
            f"if [ $(wc -l < calls) -le {num_held} ]; then cat words; exit 255; fi\n"
            "echo \"Stage 'b' didn't change, skipping\"\n"
        )
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))
        monkeypatch.setattr(stage, "WAIT_S", 0.01)
        return calls

    return make


@pytest.mark.parametrize(
    ("words", "holder"), [(BUSY, "(PID 12): dvc repro"), (LOCKED, "another DVC command")]
)
def test_a_stage_waits_for_another_command_and_says_so_once(
    fake_dvc: Callable[[str, int], Path], words: str, holder: str
) -> None:
    calls, told = fake_dvc(words, 2), list[str]()
    assert reproduce("b", told.append).status == "cached"
    assert told == [f"waits for {holder}"]
    assert len(calls.read_text().splitlines()) == 3


def test_the_wait_ends_with_the_stage_s_time(fake_dvc: Callable[[str, int], Path]) -> None:
    fake_dvc(BUSY, 10**6)
    outcome = reproduce("b", lambda _: None, time_limit_s=0.5)
    assert outcome.status == "failed"
    assert "(PID 12): dvc repro" in outcome.words


def test_another_failure_is_not_tried_again(fake_dvc: Callable[[str, int], Path]) -> None:
    calls = fake_dvc(FAILED, 1)
    assert reproduce("b", lambda _: None).status == "failed"
    assert calls.read_text() == "call\n"


@pytest.mark.parametrize(
    ("lines", "status", "outcome"),
    [
        (["Running stage 'b':", "> python b.py", "reading"], 0, "ran"),
        (["Stage 'b' didn't change, skipping", "Data and pipelines are up to date."], 0, "cached"),
        (["Running stage 'b':", "reading", FAILED], 1, "failed"),
    ],
)
def test_dvc_is_asked_for_one_stage_and_its_lines_are_told(
    monkeypatch: pytest.MonkeyPatch, lines: list[str], status: int, outcome: str
) -> None:
    asked: list[Sequence[str]] = []

    def answer(
        command: Sequence[str],
        tell: Callable[[str], None],
        *,
        time_limit_s: float,
        environment: Mapping[str, str],
    ) -> Finished:
        asked.append(command)
        assert environment["PATH"].startswith(sys.exec_prefix)
        for line in lines:
            tell(line)
        return Finished(status, lines, timed_out=False)

    monkeypatch.setattr(stage, "run_command", answer)
    told: list[str] = []
    result = reproduce("b", told.append)
    assert result.status == outcome
    assert told == [line for line in lines if is_news(line)]
    assert result.words == ("\n".join(told) if outcome == "failed" else "")
    command = ["-m", "dvc", "--wait-for-lock", "repro", "--single-item"]
    assert list(asked[0][1:]) == [*command, "b"]
    reproduce("b", told.append, force=True)
    assert list(asked[1][1:]) == [*command, "--force", "b"]


def test_prefect_s_closing_lines_are_no_news() -> None:
    def record(message: str, *values: object) -> logging.LogRecord:
        return logging.LogRecord("prefect", logging.INFO, "", 0, message, values, None)

    assert not _is_news(record("Finished in state %s", "Completed()"))
    assert not _is_news(record("Task run failed with state: Failed(message='no file')"))
    assert _is_news(record("[1/4] prepare@toy: ran, 0.4 s"))


def test_a_named_server_decides_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    environment: dict[str, str] = {"PREFECT_API_URL": settings.address(4200)}
    monkeypatch.setattr(settings.os, "environ", environment)
    settings.settle_environment()
    assert environment.keys() == {"PREFECT_API_URL", *settings.NO_TELEMETRY}
    environment.clear()
    environment["PREFECT_SERVER_UI_ENABLED"] = "true"
    settings.settle_environment()
    assert environment["PREFECT_SERVER_UI_ENABLED"] == "true"
    assert environment["DO_NOT_TRACK"] == "1"


def test_a_server_that_is_gone_is_not_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment = {"PREFECT_HOME": str(tmp_path)}
    monkeypatch.setattr(settings.os, "environ", environment)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        (tmp_path / "port").write_text(str(taken.getsockname()[1]))
        settings.settle_environment()
    assert "PREFECT_API_URL" not in environment
    assert environment["PREFECT_SERVER_UI_ENABLED"] == "false"


def test_the_address_of_a_server_is_this_machine() -> None:
    assert settings.address(1) == "http://127.0.0.1:1/api"
