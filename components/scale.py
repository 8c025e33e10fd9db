"""Where the work on units happens: in this process, or on the workers of a Ray cluster.

``workers: 0`` works on one unit after the other and needs no Ray. More workers take units as they
get free, on this machine or, where ``RAY_ADDRESS`` names a cluster, on its nodes, which must see
the project's folder under the same path. A worker that dies is replaced and its unit begun again.

One of Ray's two doors; the other, training/launch.py, starts training. It lies beside the rooms and
not in one, since files of PubMed and images to encode are spread in the same way.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from components.errors import UserError, check_folder_name
from components.logs import inherited_log, log_rank
from components.progress import follow, show_progress

T = TypeVar("T")
R = TypeVar("R")
RETRIES = 3  # of a unit whose worker died; an error of the work itself is not tried again
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}  # nothing of ours leaves the machine
# Read at Ray's import. Whoever starts no cluster then listens on loopback alone, on Linux as well.
_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


class Workers:
    """Hands work out; ``num_workers`` items are worked on at a time, 0 for none but ourselves."""

    def __init__(self, num_workers: int, gpus_each: int = 0) -> None:
        self.num_workers, self.gpus_each = num_workers, gpus_each

    def map(self, work: Callable[[T], R], items: Sequence[T], label: str) -> list[R]:
        """What ``work`` gives for each item, in their order; an error of one is raised.

        UserError, too, where the workers of one item are killed again and again.
        Both must be picklable where there are workers: they go to other processes.
        """
        if self.num_workers == 0:
            return [work(item) for item in follow(label, items)]
        results: list[Any] = [None] * len(items)
        with show_progress(label, len(items)) as advance:
            for done, (number, result) in enumerate(self._spread(work, items, label), 1):
                results[number] = result
                advance(done)
        return results

    def _spread(
        self, work: Callable[[T], R], items: Sequence[T], label: str
    ) -> Iterator[tuple[int, R]]:
        """(number, result) of the items as they get done."""
        import ray

        here, log = Path.cwd(), inherited_log()

        def work_here(item: T) -> R:
            os.chdir(here)  # paths are relative to the project
            worker = ray.get_runtime_context().get_worker_id()
            with log_rank(log, f"worker-{worker[:8]}"):
                return work(item)

        place = ray.remote(num_cpus=1, num_gpus=self.gpus_each, max_retries=RETRIES)
        task = place(work_here)
        waiting = list(enumerate(items))[::-1]
        running: dict[Any, int] = {}
        while waiting or running:
            while waiting and len(running) < self.num_workers:
                number, item = waiting.pop()
                running[task.remote(item)] = number
            (done,), _ = ray.wait(list(running))
            number = running.pop(done)
            try:
                result = ray.get(done)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None  # as it was raised where the work was done
            except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
                raise UserError(
                    f"{label}: whichever worker took item {number + 1} of {len(items)} was killed",
                    why=f"{RETRIES + 1} of them: machines that are short of memory kill",
                    next_command="the same command with fewer workers of this stage in params.yaml",
                ) from None
            yield number, result


@contextmanager
def open_workers(num_workers: int, gpus_each: int = 0) -> Iterator[Workers]:
    """Workers for the time of the context, with so many GPUs to each.

    A cluster that is already connected is left as it is. UserError where the folder's name is no
    text.
    """
    if num_workers == 0:
        yield Workers(0)
        return
    check_folder_name()
    is_local = os.environ.get("RAY_ADDRESS", "local") == "local"
    for key, value in {**_QUIET, **(_ALONE if is_local else {})}.items():
        os.environ.setdefault(key, value)
    import ray

    if ray.is_initialized():
        yield Workers(num_workers, gpus_each)
        return
    ray.init(
        address="local" if is_local else None,  # never a cluster that merely runs on this machine
        num_cpus=num_workers if is_local else None,
        include_dashboard=False if is_local else None,
        log_to_driver=False,
        logging_level=logging.WARNING,
    )
    try:
        yield Workers(num_workers, gpus_each)
    finally:
        ray.shutdown()
