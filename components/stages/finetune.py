"""finetune: tune the pretrained model of one size on one data set."""

from __future__ import annotations

from pathlib import Path

from components.cards import load_card
from components.config import Params
from components.feeds import finetune_worker
from components.runs import dispatch, plan_run
from components.stages.door import enter


def run(params: Params, size: str, dataset: str) -> None:
    """Train on the data set's train split, with its card's recipe over the stage's settings."""
    examples = Path("data/examples") / dataset
    plan = plan_run(
        params,
        "finetune",
        size,
        params.finetune.for_run(size, load_card(dataset).recipe),
        start_from=Path("data/models/pretrained") / size,
        inputs=[examples],
        out=Path("data/models/finetuned") / size / dataset,
        dataset=dataset,
    )
    dispatch(finetune_worker, plan, params.compute.workers)


if __name__ == "__main__":
    enter("finetune", run, "size", "dataset")
