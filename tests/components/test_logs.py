"""The log of a run: what each process says is a record under one id, and is read by time."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.cli import run_command
from components.errors import UserError
from components.log_reader import find_run, read_run, tell_record
from components.logs import (
    DVC_STAGE,
    FOLDER,
    RUN,
    Log,
    inherited_log,
    log_rank,
    name_log,
    open_log,
)
from components.progress import say, show_progress
from components.stages.door import enter
from flows.cli import build_parser
from tests.canaries import ENVIRONMENT, TEXTS, find_canaries, planted

LOG = Log("run-1", "finetune@debug-toy")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the project's root, in no run."""
    monkeypatch.chdir(tmp_path)
    for name in (RUN, DVC_STAGE):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "dvc.yaml").touch()
    return tmp_path


def records(log: Log = LOG) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.path.read_text().splitlines()]


def test_what_is_printed_is_logged_and_still_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with open_log(LOG):
        print("three", "words", 3)
        say("a line")
        print("a complaint", file=sys.stderr)
        print("\x1b[2K\r 10 % \x1b[1A", file=sys.stderr)  # a bar
        print("\x1b[31mred\x1b[0m")
    shown = capsys.readouterr()
    assert shown.out.startswith("three words 3\na line\n")
    assert [(r["level"], r["message"]) for r in records()] == [
        ("info", "three words 3"),
        ("info", "a line"),
        ("warning", "a complaint"),
        ("info", "red"),
        ("info", "ended"),
    ]
    first = records()[0]
    assert list(first) == ["time", "level", "id", "stage", "rank", "message", "fields"]
    assert (first["id"], first["stage"], first["rank"]) == ("run-1", "finetune@debug-toy", "")
    assert first["time"].endswith("+00:00")
    assert records()[-1]["fields"]["seconds"] >= 0


def test_progress_is_logged_with_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.progress.PLAIN_EVERY_S", 0.0)
    with open_log(LOG), show_progress("finetune debug", 4) as advance:
        advance(1, "loss 2.5", {"tokens/s": "1,024"})
    first, *_ = records()
    assert first["message"].startswith("finetune debug: 1/4")
    assert first["fields"] == {"tokens/s": "1,024", "done": 1, "total": 4}
    assert records()[-1]["fields"].keys() == {"seconds"}


def test_warnings_and_other_loggers_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with open_log(LOG, "its own"):
        logging.getLogger("its own").setLevel(logging.INFO)
        logging.getLogger("its own").info("all of it", extra={"fields": {"stage": "x"}})
        logging.getLogger("a library").info("chatter")
        logging.getLogger("a library").warning("the %s is old", "format")
        warnings.warn("this way ends", FutureWarning, stacklevel=1)
    own, library, warned, _ = records()
    assert (own["message"], own["fields"]) == ("all of it", {"stage": "x", "logger": "its own"})
    assert (library["message"], library["level"]) == ("the format is old", "warning")
    assert "FutureWarning: this way ends" in warned["message"]
    assert logging.getLogger("its own").handlers == []


def test_an_error_is_logged_and_says_where() -> None:
    with pytest.raises(UserError) as caught, open_log(LOG):
        raise UserError("no file", why="it was removed")
    assert caught.value.__notes__ == [f"  log:  {LOG.path}"]
    (told,) = records()
    assert (told["level"], told["message"]) == ("error", "no file\n  why:  it was removed")
    assert "traceback" not in told["fields"]
    with pytest.raises(KeyError), open_log(LOG):
        raise KeyError("a bug")
    assert "KeyError: 'a bug'" in records()[-1]["fields"]["traceback"]


def environment(repository: Path) -> dict[str, str]:
    """This process's, with the project's code on Python's path."""
    return {**os.environ, "PYTHONPATH": str(repository)}


def test_children_find_the_id_and_each_rank_writes_its_own_file(repository: Path) -> None:
    program = """
from components.logs import inherited_log, log_rank
with log_rank(inherited_log(), 1):
    print("from the second rank")
"""
    assert inherited_log() is None
    with open_log(LOG):
        assert inherited_log() == LOG
        command = [sys.executable, "-c", program]
        subprocess.run(command, env=environment(repository), check=True)
    second = Log(LOG.run, LOG.stage, "1")
    assert second.path == FOLDER / "run-1/finetune@debug-toy.1.jsonl"
    assert [r["message"] for r in records(second)] == ["from the second rank", "ended"]
    assert {r["rank"] for r in records(second)} == {"1"}
    assert RUN not in os.environ


def test_a_worker_without_a_log_hides_secrets_still() -> None:
    with pytest.raises(ValueError, match="hidden"), log_rank(None, 0):
        raise ValueError(TEXTS["userinfo"])
    assert not FOLDER.exists()


def test_a_stage_is_named_as_dvc_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = {"size": "debug", "dataset": "toy"}
    assert name_log("finetune", identity).stage == "finetune@debug-toy"
    assert name_log("report", {}).stage == "report"
    assert name_log("report", {}).run != name_log("report", {}).run
    monkeypatch.setenv(DVC_STAGE, "elsewhere/dvc.yaml:prepare_pretraining@toy")
    monkeypatch.setenv(RUN, "of-mine")
    assert name_log("prepare", {"dataset": "toy"}) == Log(
        "of-mine", "elsewhere_dvc_yaml_prepare_pretraining@toy"
    )


@pytest.mark.parametrize("name", ["../elsewhere", ".hidden", "a/b", "x" * 81])
def test_an_id_that_leaves_the_folder_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(RUN, name)
    monkeypatch.setattr("sys.argv", ["report"])
    with pytest.raises(SystemExit) as caught:
        enter("report", lambda _: None)
    assert caught.value.code == 2
    assert RUN in capsys.readouterr().err
    assert not FOLDER.exists()


def test_a_full_disk_ends_the_log_and_not_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    LOG.path.parent.mkdir(parents=True)
    LOG.path.symlink_to("/dev/full")
    with open_log(LOG):
        for number in range(3):
            print(number)
    shown = capfd.readouterr()
    assert shown.out == "0\n1\n2\n"
    assert shown.err.count("ends here: it cannot be written") == 1
    assert "No space left" in shown.err


PROGRAM = """
import sys, warnings
from components.errors import UserError
from components.stages.door import enter
from tests.canaries import ENVIRONMENT, TEXTS, say_all

def run(params):
    say_all()
    print("also", *TEXTS.values(), file=sys.stderr)
    warnings.warn(TEXTS["a header"])
    if sys.argv[0] == "user":
        raise UserError(TEXTS["userinfo"], why=ENVIRONMENT["HF_TOKEN"])
    raise ValueError(TEXTS["a signed query"]) from KeyError(ENVIRONMENT["STUDY_PASSWORD"])

sys.argv = [sys.argv[1]]
enter("report", run)
"""


@pytest.mark.parametrize(("kind", "status"), [("user", 2), ("bug", 1)])
def test_a_stage_s_secrets_are_nowhere(
    kind: str, status: int, root: Path, repository: Path
) -> None:
    assert run_command(build_parser(), ["use", "demo"]) == 0
    values = planted({**environment(repository), RUN: "one"})
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind],
        env=values,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    (root / "shown").write_text(done.stdout + done.stderr)
    assert find_canaries([root]) == []
    assert done.stdout.count("told") == len(TEXTS) + len(ENVIRONMENT) - 1  # a key's line is gone
    assert done.stderr.splitlines()[-1] == "  log:  logs/one/report.jsonl"
    assert ("Traceback" in done.stderr) == (kind == "bug")
    levels = [record["level"] for record in records(Log("one", "report"))]
    assert levels.count("error") == 1 and levels[-1] == "error"


@pytest.fixture
def two_runs() -> Callable[..., int]:
    """Two runs, the newer one of two stages; returns a function that calls ``biomedgpt logs``."""
    for run, stage, rank, lines in (
        ("20260101-a", "report", "", [("05", "info", "old")]),
        ("20260102-b", "prepare@toy", "", [("01", "info", "one"), ("04", "error", "four")]),
        ("20260102-b", "finetune@debug-toy", "0", [("02", "info", "two"), ("03", "warning", "3")]),
    ):
        path = Log(run, stage, rank).path
        path.parent.mkdir(parents=True, exist_ok=True)
        made = [
            {"time": f"2026-01-02T00:00:{second}.000+00:00", "level": level, "id": run}
            | {"stage": stage, "rank": rank, "message": message, "fields": {}}
            for second, level, message in lines
        ]
        path.write_text("".join(json.dumps(record) + "\n" for record in made))
        os.utime(path, (1e9 + int(run[7]), 1e9 + int(run[7])))
    return lambda *words: run_command(build_parser(), ["logs", *words])


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        ([], ["one", "two", "3", "four"]),
        (["20260101"], ["old"]),
        (["--level", "warning"], ["3", "four"]),
        (["--stage", "finetune"], ["two", "3"]),
        (["20260102-b", "--stage", "prepare@toy", "--level", "error"], ["four"]),
    ],
)
def test_a_run_is_found_and_told_by_time(
    words: list[str],
    messages: list[str],
    two_runs: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert two_runs(*words, "--json") == 0
    told = [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()]
    assert told == messages
    assert two_runs(*words) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("run 2026010")
    assert [line.split()[-1] for line in lines] == messages


def test_what_is_not_there_is_said(
    two_runs: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    for words, said in (
        (["nothing"], "the newest are 20260102-b, 20260101-a"),
        (["2026"], "2 runs have an id that begins with 2026"),
        (["20260102-b", "--stage", "audit"], "it has finetune@debug-toy, prepare@toy"),
    ):
        assert two_runs(*words) == 2
        assert said in capsys.readouterr().err
    with pytest.raises(UserError, match="holds no run"):
        find_run(folder=Path("elsewhere"))


def test_a_torn_line_is_told_in_its_place(two_runs: Callable[..., int]) -> None:
    path = Log("20260102-b", "prepare@toy").path
    path.write_text(path.read_text().splitlines()[0] + '\n{"time": "2026-01')
    told = [record["message"] for record in read_run("20260102-b")]
    assert told == ["one", 'line 2 of prepare@toy.jsonl is torn: {"time": "2026-01', "two", "3"]


def test_a_traceback_is_told_below_its_line() -> None:
    with pytest.raises(ZeroDivisionError), open_log(LOG):
        print(1 / 0)
    (record,) = read_run(LOG.run)
    head, *below = tell_record(record).splitlines()
    assert head.endswith("finetune@debug-toy | error: division by zero")
    assert below[0].startswith("Traceback") and below[-1] == "ZeroDivisionError: division by zero"


def test_records_are_shown_as_they_are(
    two_runs: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Rich would make pictures of `:100:`, and styles of what stands in brackets."""
    path = Log("20260101-a", "report").path
    record = {**json.loads(path.read_text()), "message": "a ratio of 1:100:2 :warning: [bold]"}
    path.write_text(json.dumps(record) + "\n")
    assert two_runs("20260101", "--json") == 0
    assert json.loads(capsys.readouterr().out) == record
    assert two_runs("20260101") == 0
    assert capsys.readouterr().out.rstrip().endswith(record["message"])


def test_whoever_reads_the_first_lines_alone_is_told_nothing_more(
    root: Path, repository: Path
) -> None:
    with open_log(LOG):
        for number in range(3000):
            print(f"line {number} {'x' * 80}")
    before = signal.getsignal(signal.SIGPIPE)
    assert run_command(build_parser(), ["logs"]) == 0
    assert signal.getsignal(signal.SIGPIPE) == before  # else a broken line ends this process
    command = f"{shlex.quote(sys.executable)} -m flows.cli logs | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], env=environment(repository), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (f"run {LOG.run}\n", "")


def test_a_text_of_the_data_forges_no_line_and_commands_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Control letters, ANSI commands, separators and bidirectional marks, in a log and an error."""
    hostile = 'x\x9b2J\x1b]0;owned\x07\u2028{"level": "error"}\u202egnp.exe'
    with pytest.raises(UserError), open_log(LOG):
        raise UserError(hostile, why=hostile)
    raw = LOG.path.read_text()
    told = tell_record(records()[-1])
    assert len(raw.splitlines()) == len(records())  # as an editor counts them, too
    assert records()[-1]["message"].startswith(hostile)
    assert all(letter.isprintable() for letter in raw.replace("\n", "") + told.replace("\n", ""))

    assert run_command(_failing(hostile), ["now"]) == 2
    assert capsys.readouterr().err.replace("\n", "").isprintable()


def _failing(words: str) -> argparse.ArgumentParser:
    """A command that ends with this error."""

    def fail(_: argparse.Namespace) -> int:
        raise UserError(words)

    parser = argparse.ArgumentParser()
    parser.add_argument("when")
    parser.set_defaults(call=fail)
    return parser
