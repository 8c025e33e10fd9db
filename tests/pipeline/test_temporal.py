"""Frames and time series end to end: what only the order tells is learnt, from files to scores."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.pipeline.conftest import Project, make_project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500), pytest.mark.xdist_group("temporal")]
DATASETS = ("cine", "vital_signs")
# The demo's settings for its smallest size, hardly pretrained: both sets are learnt from scratch.
CHANGES: dict[str, Any] = {
    "sizes": ["debug"],
    "datasets": [*DATASETS],
    "pretrained_on": ["cine"],
    "pretraining_sources": [],
    "zero_shot_on": ["vital_signs"],
    "compute": {"device": "cpu"},
    "acquire": {"sample_texts": 60, "sample_image_px": 64},
    "build_vocabulary": {"num_merges": 300},
    "fit_image_tokenizer": {"steps": 4, "max_images": 50},
    "tokenize_images": {"min_quality": {"every": {"psnr_db": 0.0}}},
    "pretrain": {"steps": 2, "mixture": {"detection": 0}},
    "evaluate": {"conditions": ["full", "blank"]},
}


@pytest.fixture(scope="module")
def trained(repository: Any, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Both sets prepared, learnt and scored: stages by their doors."""
    project = make_project(repository, tmp_path_factory.mktemp("temporal"), CHANGES)
    of_debug = ("--size", "debug")
    steps = [
        *(("acquire", "--source", source)
          for source in ("pubmed", "pmc_oa", "biomed_vital", *DATASETS)),
        ("ingest_pubmed",),
        ("prepare_biomed_vital",),
        *(("prepare", "--dataset", dataset) for dataset in DATASETS),
        ("build_vocabulary",),
        ("audit",),
        ("fit_image_tokenizer",),
        ("tokenize_images",),
        ("gather_pretraining",),
        ("pretrain", *of_debug),
        *(("finetune", *of_debug, "--dataset", dataset) for dataset in DATASETS),
        *(("evaluate", *of_debug, "--dataset", dataset) for dataset in DATASETS),
    ]  # fmt: skip
    for stage, *words in steps:
        done = project.enter_stage(stage, *words)
        assert done.returncode == 0, f"{stage} {words}: {done.stderr}"
    return project


def read_score(project: Project, dataset: str) -> dict[str, Any]:
    summary = json.loads((project.root / f"data/metrics/debug/{dataset}.json").read_text())
    score: dict[str, Any] = summary["scores"][summary["headline"]]["all"]
    print(f"{dataset}: {score['value']} on {score['n']} items, baseline {score['baseline']}")
    return score


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_course_over_time_is_learnt(trained: Project, dataset: str) -> None:
    """The baseline knows the training answers and the question, and neither frame nor value."""
    assert read_score(trained, dataset)["baseline_gain_low"] > 0


def test_a_loop_is_looked_at(trained: Project) -> None:
    assert read_score(trained, "cine")["visual_gain_low"] > 0
