"""What every stage's door has in common: identity in, parameters in, a plain error out."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable

from components.config import load_params
from components.errors import UserError, refusals_told
from components.logs import name_log, open_log
from components.redaction import visible

STARTED_BY_DVC = "DVC_STAGE"  # in the environment that DVC gives its commands
LOOK_EVERY_S = 1.0
ORPHANED = 3  # the exit status of a stage whose DVC is gone


def enter(stage: str, run: Callable[..., None], *identity: str) -> None:
    """Parse ``--size`` and the like, load params.yaml, run the stage, and log what it says.

    A UserError is printed without traceback and ends with status 2.
    """
    parser = argparse.ArgumentParser(prog=f"python -m components.stages.{stage}")
    for name in identity:
        parser.add_argument(f"--{name}", required=True)
    arguments = vars(parser.parse_args())
    if STARTED_BY_DVC in os.environ:
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        with refusals_told(), open_log(name_log(stage, arguments)), refusals_told():
            print(f"{stage} started", flush=True)
            run(load_params(), **arguments)
    except UserError as error:
        words = "\n".join([str(error), *getattr(error, "__notes__", ())])  # where the log is
        sys.stderr.write(f"error in stage {stage}: {visible(words)}\n")
        sys.exit(2)


def _end_with(parent: int) -> None:
    """End this process, and those it works with, when the DVC that started it is gone.

    DVC that is killed takes nobody along. Its stage would write on, into the very files that the
    next `dvc repro` takes away and makes anew.
    """
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_S)
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(ORPHANED)  # nothing to tidy: a product without its manifest counts for nothing


def limit_threads(num: int) -> None:
    """Give torch so many threads in this process."""
    import torch

    torch.set_num_threads(num)
