"""instruct: tune the pretrained model of one size on the instruction conversations."""

from __future__ import annotations

from pathlib import Path

from components.config import Params
from components.feeds import instruct_worker
from components.runs import dispatch, plan_run
from components.stages.door import enter


def run(params: Params, size: str) -> None:
    """Train on the train split of the instruction examples."""
    plan = plan_run(
        params,
        "instruct",
        size,
        params.instruct.for_run(size),
        start_from=Path("data/models/pretrained") / size,
        inputs=[Path("data/instructions")],
        out=Path("data/models/instructed") / size,
    )
    dispatch(instruct_worker, plan, params.compute.workers)


if __name__ == "__main__":
    enter("instruct", run, "size")
