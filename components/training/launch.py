"""The one place that knows Ray: which worker runs a training function.

``workers: 0`` calls the very function in this process: no cluster, and no Ray, whose import alone
takes longer than a small run. More workers run it once per process, as a data-parallel group: on
this machine, or on the nodes of the cluster that ``RAY_ADDRESS`` names.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import UserError, check_folder_name, refusals_told
from components.logs import inherited_log, log_rank
from components.training.loader import deaths_told

# Ray reports usage to its vendor unless told not to; nothing of ours leaves the machine.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # else what a worker prints is told twice
}
# Read at Ray's import. Whoever starts no cluster then listens on loopback alone, on Linux as well.
_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@dataclass(frozen=True)
class Group:
    """The workers of a run: how many, how few are enough, and how many failures are survived.

    With ``min_workers`` 0 the number is fixed. Otherwise a group that lost a node goes on with what
    is left, and takes in more workers when there are some.
    """

    workers: int
    min_workers: int = 0
    max_failures: int = 0


def launch(
    run: Callable[[dict[str, Any]], None],
    settings: dict[str, Any],
    *,
    group: Group,
    device: str,
    storage: str,
    name: str,
) -> None:
    """Run ``run(settings)`` on the workers, in this working folder; returns when all have finished.

    When a worker or its node dies, all are started again, and ``run`` goes on from what it saved.
    ``storage`` is where Ray Train keeps its state: a folder that all nodes see, or s3://. A
    UserError of a worker is raised here as it is, at once: to try again would not help. UserError,
    too, when a worker is lost and no failure is left to survive.
    """
    if group.workers == 0:
        with deaths_told():
            run(settings)
        return
    check_folder_name()
    address = os.environ.get("RAY_ADDRESS", "local")
    for key, value in {**_QUIET, **(_ALONE if address == "local" else {})}.items():
        os.environ.setdefault(key, value)
    import ray
    from ray.exceptions import RayActorError
    from ray.train import FailureConfig, RunConfig, ScalingConfig, WorkerGroupError
    from ray.train.torch import TorchTrainer
    from ray.train.v2.api.exceptions import ControllerError

    if not ray.is_initialized():  # never a cluster that merely happens to run on this machine
        ray.init(address=address)
    here, log = Path.cwd(), inherited_log()

    def run_here(values: dict[str, Any]) -> None:
        os.chdir(here)  # Ray moves its workers away, and paths are relative to the project
        rank = ray.train.get_context().get_world_rank()
        # what the machine of a worker refuses ends the run as here
        with log_rank(log, rank), refusals_told():
            run(values)

    num: Any = (group.min_workers, group.workers) if group.min_workers else group.workers
    trainer = TorchTrainer(
        run_here,
        train_loop_config=settings,
        scaling_config=ScalingConfig(num_workers=num, use_gpu=device == "cuda"),
        run_config=RunConfig(
            name=name,
            storage_path=storage if "://" in storage else str(Path(storage).resolve()),
            failure_config=FailureConfig(max_failures=group.max_failures),
            callbacks=[_refusals_end_the_run()],
        ),
    )
    try:
        trainer.fit()
    except (ControllerError, WorkerGroupError, RayActorError) as error:
        ray.shutdown()  # what it still has to say of its workers comes before our own words
        raise _explain(error, group) or error from None


def _explain(error: Any, group: Group) -> UserError | None:
    """What a person is told of a failed run; None where it is a bug, and keeps its traceback."""
    from ray.exceptions import RayActorError

    failures = getattr(error, "worker_failures", {0: getattr(error, "controller_failure", error)})
    # of a worker that no longer answers, Ray says first that it did not, and then why
    causes = [getattr(failure, "health_check_failure", failure) for failure in failures.values()]
    for cause in causes:
        if isinstance(cause, UserError):
            return cause
    if not any(isinstance(cause, RayActorError) for cause in causes):
        return None
    return UserError(
        "a worker of the run was lost",
        why="its process was killed, or its node is gone: machines that are short of memory kill. "
        f"The run survives compute.max_failures of that, {group.max_failures}, and no more",
        next_command="the same command, which goes on after the last checkpoint",
    )


def _refusals_end_the_run() -> Any:
    """Raises a worker's UserError where Ray decides whether to try again."""
    from ray.train import UserCallback

    class Refusals(UserCallback):
        def after_exception(
            self,
            run_context: Any,  # noqa: ARG002 (Ray passes it by name)
            worker_exceptions: dict[int, Any],
        ) -> None:
            for failure in worker_exceptions.values():
                if isinstance(failure, UserError):
                    raise failure

    return Refusals()
