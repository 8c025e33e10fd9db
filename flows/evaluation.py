"""Predictions, metrics and the report, with the models that they need."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.choice import described, read_choice
from flows.order import run_stages

STAGES = (
    "evaluate",
    "evaluate_zero_shot",
    "probe",
    "report",
)


@flow(name="evaluation")
@described
def evaluation(
    sizes: list[str] | None = None,
    datasets: list[str] | None = None,
    profile: str = "",
    force: bool = False,
    dry_run: bool = False,
) -> State[Any]:
    """Bring predictions, metrics and the report up to date."""
    return run_stages(STAGES, read_choice(sizes, datasets, profile, force, dry_run))
