"""Ends what a flow began when the flow itself is gone without a word (SIGKILL, no memory left).

It is a process of its own. The flow writes a line for each command that it starts (+ID), which
leads a session of that number, for each that has ended (-ID), and for a single process that is to
end with it (=PID). When the pipe ends, so has the flow: whatever it left is asked to end, and after
a grace period made to. Only the standard library: it starts with every run.

A command's children are known by its session. They may leave its process group (Ray's workers, a
shell's jobs), are nobody's children once the one that began them is killed, and hide their
environment where they give themselves a title, as Ray's do.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

GRACE_S = 10.0
POLL_S = 0.05
# What is killed may begin something in its last moment; what hangs in the kernel stays.
KILL_S = 5.0
PROC = Path("/proc")


def end_session(session: int, grace_s: float = GRACE_S) -> None:
    """Ask the processes of a session to end, and after a grace period make whoever is left."""
    left = signal_session(session, signal.SIGTERM)
    for number, patience_s in ((0, grace_s), (signal.SIGKILL, KILL_S)):
        deadline = time.monotonic() + patience_s
        while left and time.monotonic() < deadline:
            left = signal_session(session, number)
            time.sleep(POLL_S if left else 0.0)


def end_processes(processes: Iterable[int], grace_s: float = KILL_S) -> None:
    """Ask single processes to end; on a busy machine a server may wait for its clients for long."""
    left = [pid for pid in processes if _signal(pid, signal.SIGTERM)]
    deadline = time.monotonic() + grace_s
    while left and time.monotonic() < deadline:
        time.sleep(POLL_S)
        left = [pid for pid in left if _signal(pid, 0)]
    for pid in left:
        _signal(pid, signal.SIGKILL)


def signal_session(session: int, number: int) -> bool:
    """Send a signal (0: none) to each process of a session; whether there was any.

    Without /proc, as on macOS, to the process group of that number alone.
    """
    if not PROC.is_dir():
        return _signal_group(session, number)
    reached = [_signal(pid, number) for pid in find_members(session)]
    return any(reached)


def find_members(session: int) -> list[int]:
    """The processes of a session; not those that have ended and wait to be asked how."""
    found = []
    for path in PROC.glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended since it was listed
            # PID (NAME) STATE PARENT GROUP SESSION ...; a name may hold anything
            told = path.read_bytes().rpartition(b")")[2].split()
            if int(told[3]) == session and told[0] not in b"ZX":
                found.append(int(path.parent.name))
    return found


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):  # it has ended, or became another user's
        return False
    return True


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def watch(lines: Iterable[str]) -> tuple[set[int], set[int]]:
    """The sessions that are left when the lines end, and the single processes."""
    sessions: set[int] = set()
    processes: set[int] = set()
    for line in lines:
        change, number = line[0], int(line[1:])
        if change == "=":
            processes.add(number)
        elif change == "+":
            sessions.add(number)
        else:
            sessions.discard(number)
    return sessions, processes


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # it ends with the flow, not before it
    left, alone = watch(sys.stdin)
    for session in left:
        end_session(session)
    end_processes(alone)
