"""A run on Ray's workers, in a process of its own, and what befalls it.

python -m tests.components.training.ray_run PLAN WORKERS nothing|worker|node
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.run_plan import RunPlan
from components.runs import dispatch
from components.training.distributed import rank_and_world
from components.tuning import finetune_worker

ATTEMPTS = Path("attempts.txt")  # one line for each start of a worker: rank, world, last save
DIES = Path("dies")  # the worker or node that is to die


def last_save(checkpoints: str) -> str:
    """The name of the newest whole checkpoint, or none."""
    found = sorted(p.parent.name for p in Path(checkpoints).glob("**/step-*/manifest.json"))
    return found[-1] if found else "none"


def wait_for_save(checkpoints: str) -> None:
    """Return when something is saved."""
    while last_save(checkpoints) == "none":
        time.sleep(0.01)


def watched_worker(settings: dict[str, Any]) -> None:
    """Fine-tune; whom DIES names dies by a signal after the first save."""
    import ray

    checkpoints = RunPlan(**settings).checkpoints
    rank, world = rank_and_world()
    with ATTEMPTS.open("a") as file:
        file.write(f"{rank} {world} {last_save(checkpoints)}\n")
    names = (f"worker {rank}", f"node {ray.get_runtime_context().get_node_id()}")
    if DIES.exists() and DIES.read_text() in names:
        threading.Thread(target=die, args=[checkpoints], daemon=True).start()
    finetune_worker(settings)


def die(checkpoints: str) -> None:
    """Kill this worker, and first the node that it is on if the node is to die."""
    wait_for_save(checkpoints)
    condemned = DIES.read_text()
    DIES.unlink()
    if condemned.startswith("node"):
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def two_nodes() -> Iterator[str]:
    """A cluster of two nodes of one worker each, named by RAY_ADDRESS; the second's id."""
    import ray
    from ray.cluster_utils import Cluster

    memory = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **memory})
    second = cluster.add_node(num_cpus=1, **memory)
    os.environ["RAY_ADDRESS"] = cluster.address
    try:
        yield second.node_id
    finally:
        ray.shutdown()  # a cluster does not end while this process is connected to it
        cluster.shutdown()


def main() -> None:
    """Run, and end as a stage would."""
    plan, workers, trouble = RunPlan(**json.loads(sys.argv[1])), int(sys.argv[2]), sys.argv[3]
    with two_nodes() if trouble == "node" else nullcontext("1") as victim:
        if trouble != "nothing":
            DIES.write_text(f"{trouble} {victim}")
        try:
            dispatch(watched_worker, plan, workers=workers)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            sys.exit(2)


if __name__ == "__main__":
    main()
