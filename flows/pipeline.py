"""The whole pipeline on one page. Read this first.

A stage is a block of dvc.yaml and a door in components/stages. DVC says which stages are stale;
this flow runs those, each after what it builds on, ``compute.parallel_stages`` at a time:

    acquire -> prepare ----------------+-> build_vocabulary --------------+
    acquire_sources -> ingest_pubmed --+-> fit_image_tokenizer            |
                    -> prepare_biomed_vital   -> tokenize_images ---------+-> pretrain
                    -> prepare_pretraining (into the same three)          |
                                                                              |-> finetune -> evaluate
                                                                              +-> instruct -> evaluate_zero_shot
    prepared data -> gather_pretraining -> fit_image_tokenizer, tokenize_images, pretrain (which sets they read)
    finetune, evaluate, instruct -> probe (the open questions: long text, hallucination, safety and others)
    prepared data -> audit -> fit_image_tokenizer, pretrain, finetune, instruct (what audit.drop leaves out)
    everything -> report

A new stage is a block in dvc.yaml and a word in one of the three lists.
"""  # noqa: E501

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import data, evaluation, training
from flows.choice import described, read_choice
from flows.order import run_stages

STAGES = (*data.STAGES, *training.STAGES, *evaluation.STAGES)


@flow(name="pipeline")
@described
def pipeline(
    sizes: list[str] | None = None,
    datasets: list[str] | None = None,
    profile: str = "",
    force: bool = False,
    dry_run: bool = False,
) -> State[Any]:
    """Bring every product up to date, from raw files to the report."""
    return run_stages(STAGES, read_choice(sizes, datasets, profile, force, dry_run))
