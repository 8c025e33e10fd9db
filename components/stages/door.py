"""What every stage's door has in common: identity in, parameters in, a plain error out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from components.config import load_params
from components.errors import UserError, refusals_told
from components.logs import name_log, open_log


def enter(stage: str, run: Callable[..., None], *identity: str) -> None:
    """Parse ``--size`` and the like, load params.yaml, run the stage, and log what it says.

    A UserError is printed without traceback and ends with status 2.
    """
    parser = argparse.ArgumentParser(prog=f"python -m components.stages.{stage}")
    for name in identity:
        parser.add_argument(f"--{name}", required=True)
    arguments = vars(parser.parse_args())
    try:
        with refusals_told(), open_log(name_log(stage, arguments)), refusals_told():
            print(f"{stage} started", flush=True)
            run(load_params(), **arguments)
    except UserError as error:
        words = "\n".join([str(error), *getattr(error, "__notes__", ())])  # where the log is
        sys.stderr.write(f"error in stage {stage}: {words}\n")
        sys.exit(2)


def limit_threads(num: int) -> None:
    """Give torch so many threads in this process."""
    import torch

    torch.set_num_threads(num)
