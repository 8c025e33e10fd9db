"""One flow at a time in a project: two would collide at some later stage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from components.errors import UserError

LOCK = Path(".dvc/tmp/biomedgpt.lock")
HOLDER = LOCK.with_suffix(".holder")
RELEASED = LOCK.with_suffix(".released")  # the id of the flow run that let go last
LOOK_S = 1.0  # whoever only looks whether the lock is held (find_holder) holds it for a moment


class ProjectHeldError(UserError):
    """Another run works in this project; ``why`` says which."""


@contextmanager
def hold_project(root: Path = Path(), run: str = "", run_id: str = "") -> Iterator[None]:
    """Hold the project until the block ends; ProjectHeldError names who holds it already.

    A process that holds it may do so again, so that a command and the flow that it starts hold it
    together. The operating system lets go of the lock when its process ends, however that happens.
    ``run`` and ``run_id`` are those of Prefect's flow run.
    """
    lock, holder = root / LOCK, root / HOLDER
    lock.parent.mkdir(parents=True, exist_ok=True)
    # The same object for the same file, which counts how often this process holds it.
    held = FileLock(lock.absolute(), LOOK_S, thread_local=False, is_singleton=True)
    try:
        held.acquire()
    except Timeout:
        raise ProjectHeldError(
            "another `biomedgpt run`, or a flow, is working in this project",
            why=_read_holder(holder)[0] or "it has just begun",
            next_command="wait until it has ended, or stop it (Ctrl-C, or Cancel in Prefect's "
            "page), then try again",
        ) from None
    try:
        since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
        named = f", flow run {run}" if run else ""
        holder.write_text(f"process {os.getpid()}, since {since}{named}\n{run_id}")
        yield
    finally:
        with suppress(OSError):  # a full disk must not keep the lock
            (root / RELEASED).write_text(run_id)
        held.release()


def find_holder(root: Path = Path()) -> str | None:
    """The id of the flow run that holds the project: empty where it has none, None if nobody does.

    That the lock is held is the proof that a run's process lives: no clock has to be trusted.
    """
    try:
        with FileLock(root / LOCK, timeout=0):
            return None
    except Timeout:
        return _read_holder(root / HOLDER)[1]


def _read_holder(path: Path) -> tuple[str, str]:
    """Who holds the project, and the id of its flow run; empty where that is not written yet."""
    text = path.read_text(errors="replace") if path.is_file() else ""
    who, _, run_id = text.partition("\n")
    return who, run_id


def find_released(root: Path = Path()) -> tuple[str, datetime] | None:
    """The id of the flow run that let go of the project last by itself, and when; None: nobody."""
    path = root / RELEASED
    if not path.is_file():
        return None
    return path.read_text(), datetime.fromtimestamp(path.stat().st_mtime, UTC)
