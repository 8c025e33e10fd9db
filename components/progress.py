"""Progress of anything long: a bar in a terminal, plain lines where there is none."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.columns import Columns
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from components.logs import log_fields

PLAIN_EVERY_S = 5.0
EVERY_S = "BIOMEDGPT_PROGRESS_EVERY_S"  # environment: a flow that draws bars asks for more lines

T = TypeVar("T")


class Advance(Protocol):
    """Called with how much is done so far, a short note, and what else is known, by its name."""

    def __call__(
        self, done: int, note: str = "", details: Mapping[str, str] | None = None
    ) -> None: ...


class Board(Progress):
    """A bar, and below it the details as a small table as wide as the terminal."""

    details: Mapping[str, str] = {}

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, then the table."""
        yield self.make_tasks_table(self.tasks)
        if self.details:
            pairs = (Text.assemble((f"{k} ", "dim"), v) for k, v in self.details.items())
            yield Columns(pairs, equal=True, padding=(0, 3))


def say(text: str) -> None:
    """Print one plain line at once."""
    Console(file=sys.stdout, soft_wrap=True, emoji=False).print(text, highlight=False, markup=False)
    sys.stdout.flush()


@contextmanager
def show_progress(label: str, total: int) -> Iterator[Advance]:
    """Yield a function to call as work gets done; prints how long it took at the end.

    Speed is measured from the first call on: a run that goes on from a checkpoint begins late.
    """
    started = time.monotonic()
    console = Console(file=sys.stdout, emoji=False)
    if console.is_terminal:
        with _bar(console) as progress:
            yield _moving_bar(progress, label, total)
    else:
        yield _plain_lines(console, label, total)
    took = f"{label}: done in {time.monotonic() - started:.1f} s"
    console.print(took, highlight=False, markup=False)


def follow(label: str, items: Sequence[T]) -> Iterator[T]:
    """The items one by one, with the progress of whoever takes them."""
    with show_progress(label, len(items)) as advance:
        for done, item in enumerate(items, 1):
            yield item
            advance(done)


def _bar(console: Console) -> Board:
    return Board(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
    )


def _moving_bar(progress: Board, label: str, total: int) -> Advance:
    task = progress.add_task(label, total=total, note="")
    begun = False

    def advance(done: int, note: str = "", details: Mapping[str, str] | None = None) -> None:
        nonlocal begun
        if not begun:
            progress.reset(task, completed=done)
        begun = True
        progress.details = details or {}
        progress.update(task, completed=done, note=note)

    return advance


def _plain_lines(console: Console, label: str, total: int) -> Advance:
    every_s = float(os.environ.get(EVERY_S, PLAIN_EVERY_S))
    last = time.monotonic()
    first: tuple[int, float] | None = None

    def advance(done: int, note: str = "", details: Mapping[str, str] | None = None) -> None:
        nonlocal last, first
        now = time.monotonic()
        first = first or (done, now)
        if now - last >= every_s:
            last = now
            text = f"{label}: {done}/{total}, {_tell_left(*first, done, now, total)} {note}"
            text = ", ".join([text.rstrip(), *(f"{k} {v}" for k, v in (details or {}).items())])
            with log_fields({**(details or {}), "done": done, "total": total}):
                console.print(text, highlight=False, soft_wrap=True, markup=False)
            sys.stdout.flush()

    return advance


def _tell_left(before: int, since: float, done: int, now: float, total: int) -> str:
    """``24 s left``, or that nobody knows yet."""
    if done <= before:
        return "time left unknown"
    return f"{(now - since) / (done - before) * (total - done):.0f} s left"
