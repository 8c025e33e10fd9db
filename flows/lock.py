"""One flow at a time in a project: two would collide at some later stage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from components.errors import UserError

LOCK = Path(".dvc/tmp/biomedgpt.lock")
HOLDER = LOCK.with_suffix(".holder")


@contextmanager
def hold_project(root: Path = Path()) -> Iterator[None]:
    """Hold the project until the block ends; UserError names who holds it already.

    The operating system lets go of the lock when its process ends, however that happens.
    """
    lock, holder = root / LOCK, root / HOLDER
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
            holder.write_text(f"process {os.getpid()}, since {since}")
            yield
    except Timeout:
        raise UserError(
            "another `biomedgpt run` is working in this project",
            why=holder.read_text() if holder.is_file() else "it has just begun",
            next_command="wait until it has ended, or stop it with Ctrl-C, then try again",
        ) from None
