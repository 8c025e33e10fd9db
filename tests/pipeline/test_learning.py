"""The demo learns: better than any answer without the image, and no better once it is blank."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import Project, make_project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500), pytest.mark.xdist_group("learning")]
DATASETS = ("slake", "pneumoniamnist")
# The demo's own settings for its smallest size; fewer sets and texts, no fitted image codes.
CHANGES: dict[str, Any] = {
    "sizes": ["debug"],
    "datasets": [*DATASETS],
    "pretrained_on": ["slake"],
    "zero_shot_on": ["pneumoniamnist"],
    "compute": {"device": "cpu"},
    "acquire": {"sample_texts": 100},
    "build_vocabulary": {"num_merges": 600},
    "fit_image_tokenizer": {"steps": 4, "max_images": 50},
    "tokenize_images": {"min_quality": {"every": {"psnr_db": 0.0}}},
}


@pytest.fixture(scope="module")
def trained(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A pretrained model, fine-tuned on both sets, with its scores: stages by their doors."""
    project = make_project(repository, tmp_path_factory.mktemp("learning"), CHANGES)
    sources = ("pubmed", "pmc_oa", "biomed_vital", "deeplesion", *DATASETS)
    of_debug = ("--size", "debug")
    steps = [
        *(("acquire", "--source", source) for source in sources),
        ("ingest_pubmed",),
        ("prepare_biomed_vital",),
        *(("prepare", "--dataset", dataset) for dataset in (*DATASETS, "deeplesion")),
        ("build_vocabulary",),
        ("audit",),
        ("fit_image_tokenizer",),
        ("tokenize_images",),
        ("gather_pretraining",),
        ("pretrain", *of_debug),
        *(("finetune", *of_debug, "--dataset", dataset) for dataset in DATASETS),
        *(("evaluate", *of_debug, "--dataset", dataset) for dataset in DATASETS),
    ]
    for stage, *words in steps:
        done = project.enter_stage(stage, *words)
        assert done.returncode == 0, f"{stage} {words}: {done.stderr}"
    return project


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_score_rests_on_the_image(trained: Project, dataset: str) -> None:
    text = (trained.root / f"data/metrics/debug/{dataset}.json").read_text()
    summary = json.loads(text)
    score = summary["scores"][summary["headline"]]["all"]
    assert score["baseline_gain_low"] > 0, score
    assert score["visual_gain_low"] > 0, score
    # blank: the bounds of what is left reach down to what needs no image
    assert score["blank_low"] <= score["baseline"], score
