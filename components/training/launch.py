"""The one place that knows Ray: which worker runs a training function.

``workers: 0`` calls the very function in this process: no cluster, and no Ray, whose import alone
takes longer than a small run. More workers run it once per process, as a data-parallel group.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.errors import UserError

# Ray reports usage to its vendor unless told not to; nothing of ours leaves the machine.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0"}


def launch(
    run: Callable[[dict[str, Any]], None],
    settings: dict[str, Any],
    *,
    workers: int,
    device: str,
    storage: Path,
    name: str,
) -> None:
    """Run ``run(settings)`` on the workers, in this working folder; returns when all have finished.

    ``storage`` is where Ray Train keeps its state and checkpoints (a local folder). A UserError
    of a worker is raised here as it is.
    """
    if workers == 0:
        run(settings)
        return
    for key, value in _QUIET.items():
        os.environ.setdefault(key, value)
    from ray.train import RunConfig, ScalingConfig, WorkerGroupError
    from ray.train.torch import TorchTrainer

    here = Path.cwd()

    def run_here(values: dict[str, Any]) -> None:
        os.chdir(here)  # Ray moves its workers away, and paths are relative to the project
        run(values)

    trainer = TorchTrainer(
        run_here,
        train_loop_config=settings,
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=device == "cuda"),
        run_config=RunConfig(name=name, storage_path=str(storage.resolve())),
    )
    try:
        trainer.fit()
    except WorkerGroupError as error:
        for failure in error.worker_failures.values():
            if isinstance(failure, UserError):
                raise failure from None
        raise
