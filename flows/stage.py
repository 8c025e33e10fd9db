"""The one task: bring one DVC stage up to date. DVC decides whether there is anything to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.process import Finished, run_command

LOCK_HELD = "Unable to acquire lock"
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


@dataclass(frozen=True)
class Outcome:
    """What became of a stage; ``words`` are its own last lines when it failed."""

    status: Literal["ran", "cached", "failed"]
    words: str = ""


def reproduce(
    stage: str, tell: Callable[[str], None], time_limit_s: float = TIME_LIMIT_S
) -> Outcome:
    """Run ``dvc repro`` for one stage alone, and say what became of it."""
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", stage]
    # `python` in dvc.yaml is this very interpreter, whether or not its environment is activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    finished = run_command(
        command,
        lambda line: tell(line) if is_news(line) else None,
        time_limit_s=time_limit_s,
        environment={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"},
    )
    if finished.status != 0:
        return Outcome("failed", explain_failure(finished, time_limit_s))
    ran = any(line.startswith("Running stage ") for line in finished.lines)
    return Outcome("ran" if ran else "cached")


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


def lock_was_held(_task: Any, _task_run: Any, state: State[Any]) -> bool:
    """Whether a stage failed on DVC's lock alone: the one failure worth a second try."""
    return LOCK_HELD in (state.message or "")


@task(
    name="stage",
    task_run_name="{stage}",
    cache_policy=NO_CACHE,
    retries=5,
    retry_delay_seconds=3,
    retry_condition_fn=lock_was_held,
)
def run_stage(stage: str, time_limit_s: float = TIME_LIMIT_S) -> State[Any]:
    """One stage as a Prefect task run that carries the stage's name and streams its lines."""
    outcome = reproduce(stage, get_run_logger().info, time_limit_s)
    if outcome.status == "failed":
        return Failed(message=outcome.words)
    return Completed(name=outcome.status.capitalize())
