"""What a person sees in a terminal: a bar per running stage, below the lines of the run.

Stages print plain lines, since DVC runs them. Those that tell of progress (components.progress)
move a bar instead; all others go by above the bars. Where there is no terminal, every line is
printed as it is.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.logging.handlers import PrefectConsoleHandler
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.theme import Theme

from components.progress import EVERY_S

PROGRESS = re.compile(
    r".+: (?P<done>\d+)/(?P<total>\d+), (?P<note>(\d+ s left|time left unknown)[^,]*).*"
)
STARTED = " started"  # how the first line of a stage ends; its bar says so already
OFTEN_S = "1"


class Bars(logging.Filter):
    """A bar per running stage; as a filter of log records, it takes those that tell of progress."""

    def __init__(self, console: Console | None) -> None:
        super().__init__()
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[count]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            disable=console is None,
        )
        self._tasks: dict[str, TaskID] = {}

    def begin(self, stage: str) -> None:
        """Show a stage that has begun; how much it has to do is not known yet."""
        self._tasks[stage] = self.progress.add_task(stage, total=None, count="", note="")

    def end(self, stage: str) -> None:
        """Take a stage's bar away."""
        self.progress.remove_task(self._tasks.pop(stage))

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is to be printed: one that moves a bar is not."""
        task, line = self._tasks.get(getattr(record, "task_run_name", "")), record.getMessage()
        if task is None or record.levelno > logging.INFO:
            return True
        if found := PROGRESS.fullmatch(line):
            done, total = int(found["done"]), int(found["total"])
            count = f"{done}/{total}"
            self.progress.update(task, completed=done, total=total, count=count, note=found["note"])
        return not found and not line.endswith(STARTED)


@contextmanager
def show_bars() -> Iterator[Bars]:
    """Bars on the console that Prefect logs to, until the block ends; none without a terminal."""
    handler = _find_terminal()
    if handler is None:
        yield Bars(None)
        return
    bars = Bars(handler.console)
    handler.addFilter(bars)
    os.environ.setdefault(EVERY_S, OFTEN_S)  # stages inherit it
    try:
        # Prefect's console knows Prefect's styles alone; the bars need rich's own beside them.
        with handler.console.use_theme(Theme()), bars.progress:
            yield bars
    finally:
        handler.removeFilter(bars)


def _find_terminal() -> PrefectConsoleHandler | None:
    """Prefect's console handler where it writes to a terminal."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrefectConsoleHandler) and handler.console.is_interactive:
            return handler
    return None
