"""A command in a session of its own, read line by line, and ended with all that it began."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from components.logs import COLOUR
from components.redaction import LineRedactor, visible
from flows import guard

GRACE_S = guard.GRACE_S
NUM_KEPT = 10_000  # lines; training says for weeks how far it is

_running: set[subprocess.Popen[str]] = set()
_guarded: set[int] = set()  # processes that others started for this one
_guards: list[subprocess.Popen[str]] = []  # at most one: the process that outlives this one
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
    """Run a command and hand each line of its output to ``tell`` as it comes, without secrets.

    What it prints may be a text of the data, such as a file's name: no line commands a terminal.
    When the command ends, so does all that it began; when this process is killed, all of it too.
    """
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
        _tell_guard(f"+{process.pid}")
    timed_out = threading.Event()

    def end() -> None:
        timed_out.set()
        _stop(process)

    timer = threading.Timer(time_limit_s, end)
    timer.daemon = True
    timer.start()
    # A child that outlives a killed command keeps its output open: it would be read for ever.
    threading.Thread(target=_clear_up, args=(process,), daemon=True).start()
    lines: deque[str] = deque(maxlen=NUM_KEPT)
    clean = LineRedactor()
    try:
        for line in process.stdout or ():
            lines.append(visible(COLOUR.sub("", clean.redact(line.rstrip()))))
            tell(lines[-1])
        status = process.wait()
    finally:
        timer.cancel()
        if process.poll() is None:  # whoever listens failed: nobody would end it later
            _stop(process)
        with _lock:
            _running.discard(process)
            _tell_guard(f"-{process.pid}")
    return Finished(status, list(lines), timed_out.is_set())


def guard_process(pid: int) -> None:
    """Let a process, which others started for this one, end with it, whatever ends it."""
    with _lock:
        _guarded.add(pid)
        _tell_guard(f"={pid}")


def stop_commands() -> int:
    """End every command that is still running, with its children; returns how many there were."""
    with _lock:
        processes = list(_running)
    for process in processes:
        _stop(process)
    return len(processes)


def _clear_up(process: subprocess.Popen[str]) -> None:
    process.wait()
    _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    """End the session: a child may outlive the command that began it."""
    guard.end_session(process.pid, GRACE_S)


def _tell_guard(line: str) -> None:
    """Write a line to the guard; one that is gone is replaced, and told of all that runs."""
    for _attempt in range(2):
        if not _guards:
            _guards.append(_start_guard())
            known = [*(f"+{running.pid}" for running in _running), *(f"={p}" for p in _guarded)]
            line = "\n".join([*known, line])
        pipe = _guards[0].stdin
        with suppress(BrokenPipeError):
            if pipe:
                pipe.write(f"{line}\n")
                pipe.flush()
            return
        _guards.clear()


def _start_guard() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C in the terminal is for the flow
    )
