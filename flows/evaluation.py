"""Predictions, metrics and the report, with the models that they need."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.order import run_stages

STAGES = (
    "evaluate",
    "evaluate_zero_shot",
    "probe",
    "report",
)


@flow(name="evaluation")
def evaluation(upstream: dict[str, list[str]] | None = None) -> State[Any]:
    """Bring these stages up to date."""
    return run_stages(STAGES, upstream)
