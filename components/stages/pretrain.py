"""pretrain: train one size on the mixture of vision-language, text, image and detection streams."""

from __future__ import annotations

from pathlib import Path

from components.config import Params
from components.pretraining import pretrain_worker
from components.run_plan import plan_run
from components.runs import dispatch
from components.stages.door import enter


def run(params: Params, size: str) -> None:
    """Train from scratch, or from the checkpoint that ``pretrain.start_from`` names."""
    start_from = params.pretrain.start_from
    seen = [*params.pretrained_on, *params.pretraining_sources]
    plan = plan_run(
        params,
        "pretrain",
        size,
        params.pretrain.for_run(size),
        start_from=Path(start_from) if start_from else None,
        inputs=[
            Path("data/articles"),
            Path("data/codes"),
            Path("data/pretraining"),
            *(Path("data/examples") / dataset for dataset in seen),
        ],
        out=Path("data/models/pretrained") / size,
    )
    dispatch(pretrain_worker, plan, workers=params.compute.workers)


if __name__ == "__main__":
    enter("pretrain", run, "size")
