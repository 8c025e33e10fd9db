"""The one task: bring one DVC stage up to date. DVC decides whether there is anything to do."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from components.redaction import errors_redacted
from flows.process import Finished, run_command
from flows.torn import mend_books

# DVC's two locks: on the project, for a moment, and on each file that a running stage uses.
LOCK_HELD, FILE_HELD = "Unable to acquire lock", "is busy, it is being blocked by"
HOLDER = "  (PID "  # how DVC begins the line that names whoever holds a file
LIST_TORN = "Unable to read RWLock-file"
LOCK_WORDS = (LOCK_HELD, FILE_HELD, LIST_TORN, HOLDER, "If there are no processes with such PIDs")
WAIT_S, LONGEST_WAIT_S = 2.0, 8.0  # Ctrl-C is heard after a wait, not within it
TIME_LIMIT_S = 21 * 24 * 3600.0  # the largest size trains for weeks
NUM_LAST_LINES = 20
USER_ERROR = "error in stage "  # how a door begins what a person is meant to read
CHATTER = (
    "> ",
    "Running stage ",
    "Stage ",
    "Updating lock file ",
    "Generating lock file ",
    "Data and pipelines are up to date",
    "To track the changes with git",
    "To enable auto staging",
    "Use `dvc push`",
    "\tgit add ",
    "\tdvc config ",
)
CLEARED = "Auto removed it from the lock file"  # DVC on a stage that was killed; no news


def is_news(line: str) -> bool:
    """Whether a line comes from the stage itself, or tells of a fault."""
    return bool(line) and not line.startswith(CHATTER) and CLEARED not in line


def find_holder(lines: Sequence[str]) -> str:
    """Who holds the lock that DVC failed on; empty where it failed on none."""
    if not any(words in line for words in (LOCK_HELD, FILE_HELD, LIST_TORN) for line in lines):
        return ""
    named = [line.strip() for line in lines if line.startswith(HOLDER)]
    return "; ".join(named) or "another DVC command"


@dataclass(frozen=True)
class Outcome:
    """What became of a stage; ``words`` are its own last lines when it failed."""

    status: Literal["ran", "cached", "failed"]
    words: str = ""


def reproduce(
    stage: str,
    tell: Callable[[str], None],
    time_limit_s: float = TIME_LIMIT_S,
    *,
    force: bool = False,
) -> Outcome:
    """Run ``dvc repro`` for one stage alone, and say what became of it.

    With ``force`` the stage runs though it is up to date.

    Waits, as long as the stage may take, while another DVC command holds a file of the stage:
    what that command makes meanwhile is then up to date.
    """
    deadline, pause_s = time.monotonic() + time_limit_s, WAIT_S
    told = ran = False

    def hear(line: str) -> None:
        nonlocal ran
        ran = ran or line.startswith("Running stage ")
        if is_news(line) and not any(words in line for words in LOCK_WORDS):
            tell(line)

    while True:
        for words in mend_books():
            tell(words)
        finished = _ask_dvc([*(["--force"] if force else []), stage], hear, time_limit_s)
        holder = find_holder(finished.lines) if finished.status > 0 else ""
        if not holder or time.monotonic() + pause_s > deadline:
            break
        if not told:
            tell(f"waits for {holder}")
        told = True
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_WAIT_S)
    if holder:
        return Outcome("failed", f"stopped: for {time_limit_s:.0f} s in the way was {holder}")
    if finished.status != 0:
        return Outcome("failed", explain_failure(finished, time_limit_s))
    return Outcome("ran" if ran else "cached")


def _ask_dvc(words: list[str], hear: Callable[[str], None], time_limit_s: float) -> Finished:
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", *words]
    # `python` in dvc.yaml is this very interpreter, whether or not its environment is activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return run_command(
        command,
        hear,
        time_limit_s=time_limit_s,
        environment={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"},
    )


def explain_failure(finished: Finished, time_limit_s: float) -> str:
    """The words a person needs: the stage's own error, or its last lines."""
    lines = [line for line in finished.lines if is_news(line)]
    if finished.timed_out:
        lines.append(f"stopped: it ran longer than {time_limit_s:.0f} s")
    elif finished.status < 0:
        lines.append(f"stopped by signal {-finished.status}")
    starts = [i for i, line in enumerate(lines) if line.startswith(USER_ERROR)]
    words = lines[starts[-1] :] if starts else lines[-NUM_LAST_LINES:]
    if starts:
        words = [line for line in words if not line.startswith("ERROR: failed to reproduce")]
    return "\n".join(words)


@task(name="stage", task_run_name="{stage}", cache_policy=NO_CACHE)
def run_stage(stage: str, time_limit_s: float = TIME_LIMIT_S, *, force: bool = False) -> State[Any]:
    """One stage as a Prefect task run that carries the stage's name and streams its lines."""
    with errors_redacted():  # Prefect's server keeps them
        outcome = reproduce(stage, get_run_logger().info, time_limit_s, force=force)
    if outcome.status == "failed":
        return Failed(message=outcome.words)
    return Completed(name=outcome.status.capitalize())
