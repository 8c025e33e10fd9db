"""From raw files to examples, articles, vocabulary and codes."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

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
    "fit_image_tokenizer",
    "tokenize_images",
)


@flow(name="data")
def data(upstream: dict[str, list[str]] | None = None) -> State[Any]:
    """Bring these stages up to date."""
    return run_stages(STAGES, upstream)
