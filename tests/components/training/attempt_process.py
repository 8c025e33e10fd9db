"""One attempt of a run in a process of its own, which may be killed at a named moment.

``python -m tests.components.training.attempt_process JSON`` in the folder of a project, where JSON
has the ``worker``, the ``plan``, and how the attempt ends:

    {"step": 6, "there": GLOB}    SIGKILL after step 6, as soon as a file of that name is there
    "halve": "step-00000008"      writing that checkpoint stops for good in the middle of a file
    "forget": true                the step of the checkpoint that is loaded is lost
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from components import pretraining, runs, tuning
from components.training import state
from components.training.checkpoints import Checkpoints
from components.training.state import Checkpoint
from components.training.step import StepReport

HALVED = "optimizer.safetensors"


def kill_after(step: int, there: str) -> None:
    """Let the loop end this process after a step, once the disk shows what it waits for."""
    train = runs.train

    def train_and_die(*arguments: Any, on_step: Any, **named: Any) -> Any:
        def die(now: int, report: StepReport) -> None:
            on_step(now, report)
            while now == step:
                if any(Path().glob(there)):
                    os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(0.001)

        return train(*arguments, on_step=die, **named)

    runs.train = train_and_die


def halve(folder: str) -> None:
    """Let the writer stop in the middle of a file of one checkpoint."""
    write_tensors = state.write_tensors

    def write_half(tensors: dict[str, Tensor], path: Path) -> None:
        write_tensors(tensors, path)
        if path.parent.name == folder and path.name == HALVED:
            os.truncate(path, path.stat().st_size // 2)
            time.sleep(600)

    state.write_tensors = write_half


def forget_step() -> None:
    """Resume as if nothing had been done yet: the fault that the suite must find."""
    load = Checkpoints.load

    def load_without_step(self: Checkpoints) -> Checkpoint | None:
        found = load(self)
        return found and replace(found, step=0)

    Checkpoints.load = load_without_step  # type: ignore[assignment,method-assign]


def main(text: str) -> None:
    """Run the attempt."""
    values = json.loads(text)
    if "halve" in values:
        halve(values["halve"])
    if "kill" in values:
        kill_after(**values["kill"])
    if values.get("forget"):
        forget_step()
    room = pretraining if hasattr(pretraining, values["worker"]) else tuning
    getattr(room, values["worker"])(values["plan"])


if __name__ == "__main__":
    main(sys.argv[1])
