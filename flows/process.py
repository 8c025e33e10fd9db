"""A command in a process group of its own, read line by line, and ended with all that it began."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from components.redaction import redact

GRACE_S = 10.0
NUM_KEPT = 10_000  # lines; training says for weeks how far it is
POLL_S = 0.05

_running: set[subprocess.Popen[str]] = set()
_lock = threading.Lock()


@dataclass(frozen=True)
class Finished:
    """How a command ended: its exit status, its last lines, and whether its time was up."""

    status: int
    lines: list[str]
    timed_out: bool


def run_command(
    command: Sequence[str],
    tell: Callable[[str], None],
    *,
    time_limit_s: float,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a command and hand each line of its output to ``tell`` as it comes, without secrets."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        start_new_session=True,
    )
    with _lock:
        _running.add(process)
    timed_out = threading.Event()

    def end() -> None:
        timed_out.set()
        _stop(process)

    timer = threading.Timer(time_limit_s, end)
    timer.daemon = True
    timer.start()
    lines: deque[str] = deque(maxlen=NUM_KEPT)
    try:
        for line in process.stdout or ():
            lines.append(redact(line.rstrip()))
            tell(lines[-1])
        status = process.wait()
    finally:
        timer.cancel()
        with _lock:
            _running.discard(process)
    return Finished(status, list(lines), timed_out.is_set())


def stop_commands() -> int:
    """End every command that is still running, with its children; returns how many there were."""
    with _lock:
        processes = list(_running)
    for process in processes:
        _stop(process)
    return len(processes)


def _stop(process: subprocess.Popen[str]) -> None:
    """Ask the group to end, and after a grace period make whoever is left."""
    asked = time.monotonic()
    _signal(process, signal.SIGTERM)
    while _lives(process) and time.monotonic() - asked < GRACE_S:
        time.sleep(POLL_S)
    _signal(process, signal.SIGKILL)


def _lives(process: subprocess.Popen[str]) -> bool:
    """Whether anybody of the group is left; a child may outlive the command that began it."""
    process.poll()  # else the command itself stays, ended but not yet waited for
    return _signal(process, 0)


def _signal(process: subprocess.Popen[str], number: int) -> bool:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True
