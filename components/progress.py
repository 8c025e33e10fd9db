"""Progress of anything long: a bar in a terminal, plain lines where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

PLAIN_EVERY_S = 5.0


class Advance(Protocol):
    """Called with how much is done so far and a short note."""

    def __call__(self, done: int, note: str = "") -> None: ...


def say(text: str) -> None:
    """Print one plain line at once."""
    Console(file=sys.stdout, soft_wrap=True).print(text, highlight=False, markup=False)
    sys.stdout.flush()


@contextmanager
def show_progress(label: str, total: int) -> Iterator[Advance]:
    """Yield a function to call as work gets done; prints how long it took at the end."""
    started = time.monotonic()
    console = Console(file=sys.stdout)
    if console.is_terminal:
        with _bar(console) as progress:
            task = progress.add_task(label, total=total, note="")
            yield lambda done, note="": progress.update(task, completed=done, note=note)
    else:
        yield _plain_lines(console, label, total, started)
    took = f"{label}: done in {time.monotonic() - started:.1f} s"
    console.print(took, highlight=False, markup=False)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
    )


def _plain_lines(console: Console, label: str, total: int, started: float) -> Advance:
    last = started

    def advance(done: int, note: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_EVERY_S:
            last = now
            left_s = (now - started) / max(done, 1) * (total - done)
            text = f"{label}: {done}/{total}, {left_s:.0f} s left {note}".rstrip()
            console.print(text, highlight=False, soft_wrap=True, markup=False)
            sys.stdout.flush()

    return advance
