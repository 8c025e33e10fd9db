"""Where the work on units happens: in this process, or on the workers of a Ray cluster.

``workers: 0`` works on one unit after the other and needs no Ray. More workers take units as they
get free, on this machine or, where ``RAY_ADDRESS`` names a cluster, on its nodes, which must see
the project's folder under the same path. A worker that dies is replaced and its unit begun again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from components.progress import follow, show_progress

T = TypeVar("T")
R = TypeVar("R")
RETRIES = 3  # of a unit whose worker died; an error of the work itself is not tried again
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}  # nothing of ours leaves the machine


def work_on(items: Sequence[T], work: Callable[[T], R], workers: int, label: str) -> list[R]:
    """What ``work`` gives for each item, in their order; an error of one is raised.

    ``work`` and the items must be picklable where there are workers: they go to other processes.
    """
    if workers == 0:
        return [work(item) for item in follow(label, items)]
    for key, value in _QUIET.items():
        os.environ.setdefault(key, value)
    results: list[Any] = [None] * len(items)
    with show_progress(label, len(items)) as advance:
        for done, (number, result) in enumerate(_spread(items, work, workers), 1):
            results[number] = result
            advance(done)
    return results


def _spread(items: Sequence[T], work: Callable[[T], R], workers: int) -> Iterator[tuple[int, R]]:
    """(number, result) of the items as they get done, at most ``workers`` at a time."""
    import ray

    here = Path.cwd()

    def work_here(item: T) -> R:
        os.chdir(here)  # paths are relative to the project
        return work(item)

    is_ours = not ray.is_initialized()
    if is_ours:
        here_alone = "RAY_ADDRESS" not in os.environ
        ray.init(
            num_cpus=workers if here_alone else None,
            include_dashboard=False if here_alone else None,
            log_to_driver=False,
            logging_level=logging.WARNING,
        )
    try:
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(work_here)
        waiting = list(enumerate(items))[::-1]
        running: dict[Any, int] = {}
        while waiting or running:
            while waiting and len(running) < workers:
                number, item = waiting.pop()
                running[task.remote(item)] = number
            (done,), _ = ray.wait(list(running))
            yield running.pop(done), ray.get(done)
    finally:
        if is_ours:
            ray.shutdown()
