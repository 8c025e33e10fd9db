"""Pretraining, fine-tuning and instruction tuning, with the data that they need."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.order import run_stages

STAGES = (
    "pretrain",
    "finetune",
    "instruct",
)


@flow(name="training")
def training(upstream: dict[str, list[str]] | None = None) -> State[Any]:
    """Bring these stages up to date."""
    return run_stages(STAGES, upstream)
