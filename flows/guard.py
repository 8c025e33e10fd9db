"""Ends what a flow began when the flow itself is gone without a word (SIGKILL, no memory left).

It is a process of its own. The flow writes a line for each process group that it starts (+PGID)
and for each that has ended (-PGID). When the pipe ends, so has the flow: whatever it left is asked
to end, and after a grace period made to. Only the standard library: it starts with every run.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_S = 10.0
POLL_S = 0.05


def end_group(group: int, grace_s: float = GRACE_S) -> None:
    """Ask a process group to end, and after a grace period make whoever is left."""
    asked = time.monotonic()
    signal_group(group, signal.SIGTERM)
    while signal_group(group, 0) and time.monotonic() - asked < grace_s:
        time.sleep(POLL_S)
    signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: int) -> bool:
    """Send a signal (0: none) to a process group; whether anybody of it is left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def watch(lines: Iterable[str]) -> set[int]:
    """The groups that are left when the lines end."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # it ends with the flow, not before it
    for left in watch(sys.stdin):
        end_group(left)
