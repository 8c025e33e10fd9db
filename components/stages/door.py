"""What every stage's door has in common: identity in, parameters in, a plain error out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from components.config import load_params
from components.errors import UserError, refusals_told

IDENTITIES = ("source", "dataset", "size")


def enter(stage: str, run: Callable[..., None], *identity: str) -> None:
    """Parse ``--size`` and the like, load params.yaml, run the stage.

    A UserError is printed without traceback and ends with status 2.
    """
    parser = argparse.ArgumentParser(prog=f"python -m components.stages.{stage}")
    for name in identity:
        parser.add_argument(f"--{name}", required=True)
    arguments = vars(parser.parse_args())
    print(f"{stage} started", flush=True)
    try:
        with refusals_told():
            run(load_params(), **arguments)
    except UserError as error:
        sys.stderr.write(f"error in stage {stage}: {error}\n")
        sys.exit(2)


def limit_threads(num: int) -> None:
    """Give torch so many threads in this process."""
    import torch

    torch.set_num_threads(num)
