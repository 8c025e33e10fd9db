"""A command's lines as they come, and its end with all that it began."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flows import process
from flows.process import Finished, run_command, stop_commands
from tests.flows.throwaway import lives, wait_until

LATE = "sleep 60; echo late"


def run(script: str, time_limit_s: float = 60.0) -> Finished:
    return run_command(["sh", "-c", script], lambda _: None, time_limit_s=time_limit_s)


def test_lines_of_both_streams_come_in_order_with_the_status() -> None:
    told: list[str] = []
    script = "echo one; echo two >&2; printf 'three  '; exit 3"
    finished = run_command(["sh", "-c", script], told.append, time_limit_s=60)
    assert finished == Finished(3, ["one", "two", "three"], timed_out=False)
    assert told == finished.lines


def test_a_line_is_told_while_the_command_still_runs(tmp_path: Path) -> None:
    """The command ends only after its first line has been heard."""
    heard = tmp_path / "heard"
    script = f"echo first; until [ -e '{heard}' ]; do sleep 0.02; done; echo last"
    finished = run_command(["sh", "-c", script], lambda _: heard.touch(), time_limit_s=60)
    assert finished.lines == ["first", "last"]


def test_a_command_reads_nothing_and_sees_its_environment() -> None:
    finished = run_command(
        [sys.executable, "-c", "import os, sys; print(os.environ['WORD'], repr(sys.stdin.read()))"],
        lambda _: None,
        time_limit_s=60,
        environment={**os.environ, "WORD": "there"},
    )
    assert finished.lines == ["there ''"]


def test_bytes_that_are_not_text_are_shown() -> None:
    assert run("printf 'a\\377b\\n'").lines == ["a\ufffdb"]


def test_no_line_commands_the_terminal_or_forges_another() -> None:
    """A stage tells names of files and titles of cards, which others chose."""
    hostile = r"printf 'a\033[2J\033]0;owned\007 b\342\200\256gnp \033[31mred\033[0m\n'"
    (line,) = run(hostile).lines
    assert line == "a\\u001b[2J\\u001b]0;owned\\u0007 b\\u202egnp red"


@pytest.mark.parametrize(
    "script",
    [
        f"echo began; {LATE}",
        f"({LATE}) & echo began; wait",
        f"(trap '' TERM; {LATE}) & echo began; wait",
        f"trap '' TERM; echo began; {LATE}",
    ],
    ids=["leader", "child", "a child that will not", "a leader that will not"],
)
def test_the_time_limit_ends_the_whole_group(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(process, "GRACE_S", 0.3)
    finished = run(script, time_limit_s=0.5)
    assert finished.timed_out
    assert finished.status < 0
    assert "late" not in finished.lines


def test_stopping_ends_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_S", 0.3)
    began, ended = threading.Event(), []

    def work() -> None:
        command = ["sh", "-c", f"echo began; {LATE}"]
        ended.append(run_command(command, lambda _: began.set(), time_limit_s=60))

    thread = threading.Thread(target=work)
    thread.start()
    assert began.wait(30)
    assert stop_commands() == 1
    thread.join(30)
    assert [(e.status < 0, e.lines, e.timed_out) for e in ended] == [(True, ["began"], False)]
    assert stop_commands() == 0


def test_a_child_that_outlives_a_killed_command_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child holds the output open: without its end, the reading would take an hour."""
    monkeypatch.setattr(process, "GRACE_S", 0.3)
    finished = run("(trap '' TERM; sleep 3600) & kill -9 $$", time_limit_s=3000)
    assert finished == Finished(-9, [], timed_out=False)


def test_a_listener_that_fails_leaves_nothing_running() -> None:
    heard: list[int] = []

    def hear(line: str) -> None:
        heard.extend(int(word) for word in line.split())
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        run_command(["sh", "-c", "sleep 3600 & echo $$ $!; wait"], hear, time_limit_s=3000)
    assert len(heard) == 2
    wait_until(lambda: not any(map(lives, heard)), 30)
    assert stop_commands() == 0


GUARDED = """
import os, signal, subprocess
from flows.process import guard_process

server = subprocess.Popen(COMMAND, stdout=subprocess.PIPE)
server.stdout.readline()  # it has begun, and knows which signals it leaves unheard
guard_process(server.pid)
print(server.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("before", ["", "trap '' TERM; "])
def test_what_others_started_for_a_killed_flow_is_ended(repository: Path, before: str) -> None:
    command = ["sh", "-c", f"{before}echo begun; while true; do sleep 0.1; done"]
    done = subprocess.run(
        [sys.executable, "-c", GUARDED.replace("COMMAND", repr(command))],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9
    wait_until(lambda: not lives(int(done.stdout)), 30)


KILLED = """
import os, signal, sys
from flows.process import run_command

def hear(line):
    print(line, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

run_command(["sh", "-c", "sleep 3600 & echo $$ $!; wait"], hear, time_limit_s=3000)
"""


def test_what_a_killed_flow_began_is_ended(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED],
        cwd=repository,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == -9
    children = [int(word) for word in done.stdout.split()]
    assert len(children) == 2
    wait_until(lambda: not any(map(lives, children)), 30)


def test_a_command_that_does_not_exist_leaves_nothing_running() -> None:
    with pytest.raises(FileNotFoundError):
        run_command(["no-such-command"], lambda _: None, time_limit_s=60)
    assert stop_commands() == 0


APART = """
import os, signal, subprocess, sys, time
child = subprocess.Popen(["sleep", "3600"], process_group=0)  # as Ray's workers and shell jobs
print(os.getpid(), child.pid, flush=True)
time.sleep(3600)
"""


def test_a_child_in_a_group_of_its_own_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_S", 0.3)
    began = threading.Event()
    ended: list[Finished] = []

    def work() -> None:
        command = [sys.executable, "-c", APART]
        ended.append(run_command(command, lambda _: began.set(), time_limit_s=60))

    thread = threading.Thread(target=work)
    thread.start()
    assert began.wait(30)
    stop_commands()
    thread.join(30)
    pids = [int(word) for word in ended[0].lines[0].split()]
    assert len(pids) == 2
    assert not any(map(lives, pids))
