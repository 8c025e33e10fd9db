"""Pretraining, fine-tuning and instruction tuning, with the data that they need."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.choice import described, read_choice
from flows.order import run_stages

STAGES = (
    "pretrain",
    "finetune",
    "instruct",
)


@flow(name="training")
@described
def training(
    sizes: list[str] | None = None,
    datasets: list[str] | None = None,
    profile: str = "",
    force: bool = False,
    dry_run: bool = False,
) -> State[Any]:
    """Bring the models up to date, with the data that they need."""
    return run_stages(STAGES, read_choice(sizes, datasets, profile, force, dry_run))
