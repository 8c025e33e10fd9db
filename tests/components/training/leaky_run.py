"""Ray's workers that say every canary and fail with one, in a process of its own.

python -m tests.components.training.leaky_run STORAGE
"""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Any

from components.logs import Log, open_log
from components.scale import open_workers
from components.training.distributed import rank_and_world
from components.training.launch import Group, launch
from tests.canaries import ENVIRONMENT, TEXTS, say_all

LOG = Log("one", "finetune@debug-toy")


def leak(_: dict[str, Any]) -> None:
    """Say all by every way there is; the second rank fails."""
    say_all()
    print("also", *TEXTS.values(), file=sys.stderr)
    warnings.warn(TEXTS["a header"], stacklevel=1)
    logging.getLogger("a library").error("it failed with %s", ENVIRONMENT["HF_TOKEN"])
    if rank_and_world()[0] == 1:
        raise ValueError(TEXTS["a signed query"]) from KeyError(ENVIRONMENT["STUDY_PASSWORD"])


def leak_unit(number: int) -> int:
    """A unit of work that tells a secret and, at last, fails with one."""
    print(f"unit {number}", TEXTS["an AWS key"])
    if number == 2:
        raise ValueError(TEXTS["userinfo"])
    return number


def main() -> None:
    """Train, then work on units; both fail."""
    with open_log(LOG):
        for work in (train, work_on_units):
            try:
                work()
            except Exception as error:
                print("ended by", type(error).__name__, error)


def train() -> None:
    """A group of two."""
    launch(leak, {}, group=Group(2), device="cpu", storage=sys.argv[1], name="leaky")


def work_on_units() -> None:
    """Three units."""
    with open_workers(1) as workers:
        workers.map(leak_unit, range(3), "units")


if __name__ == "__main__":
    main()
