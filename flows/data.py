"""From raw files to examples, articles, vocabulary and codes."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.choice import described, read_choice
from flows.order import run_stages

STAGES = (
    "acquire",
    "acquire_sources",
    "ingest_pubmed",
    "prepare",
    "prepare_pretraining",
    "prepare_biomed_vital",
    "build_vocabulary",
    "audit",
    "gather_pretraining",
    "fit_image_tokenizer",
    "tokenize_images",
)


@flow(name="data")
@described
def data(
    sizes: list[str] | None = None,
    datasets: list[str] | None = None,
    profile: str = "",
    force: bool = False,
    dry_run: bool = False,
) -> State[Any]:
    """Bring examples, articles, vocabulary and codes up to date."""
    return run_stages(STAGES, read_choice(sizes, datasets, profile, force, dry_run))
