"""Leaks planted in the sample world are all found; how much is found where none was planted."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.config import Params
from components.dataset.left_out import FILE, LeftOut
from components.profiles.overlay import merge, read_profile
from components.records import Example, Overlap, read_records
from components.sample.leaks import Leak, plant_leaks
from components.schema import validate
from components.stages import acquire, audit, ingest_pubmed, prepare, prepare_biomed_vital

pytestmark = pytest.mark.xdist_group("leaks")  # one process makes both worlds
DATASETS = ["vqa_rad", "slake", "roco", "mednli", "pubmedqa"]
CHANGES: dict[str, Any] = {
    "sizes": ["debug"],
    "datasets": DATASETS,
    "pretrained_on": ["slake"],
    "pretraining_sources": [],
    "zero_shot_on": ["vqa_rad"],
    "acquire": {"sample_images": 120, "sample_texts": 480, "sample_image_px": 96},
    # so that what is planted in training files is trained on
    "prepare": {"derived_validation": 1e-9},
    "prepare_biomed_vital": {"validation_share": 1e-9},
}
DROP = ["same_pair", "same_image", "similar_image", "same_text", "near_text", "same_document"]


@dataclass(frozen=True)
class World:
    """What the audit said of a world, and its test items."""

    rows: list[Overlap]
    tests: dict[str, Example]
    summary: dict[str, Any]
    left_out: LeftOut


def build(drop: list[str]) -> Params:
    """Everything that the audit reads, from the raw files that lie there."""
    values = merge(read_profile("demo"), {**CHANGES, "audit": {"drop": drop}}, "test")
    params = validate(Params, values, "test")
    ingest_pubmed.run(params)
    prepare_biomed_vital.run(params)
    for dataset in DATASETS:
        prepare.run(params, dataset)
    return params


def look(params: Params) -> World:
    audit.run(params)
    tests = [
        example
        for dataset in DATASETS
        for example in read_records(Path("data/examples") / dataset / "examples.parquet", Example)
        if example.split == "test"
    ]
    return World(
        rows=list(read_records(audit.OUT / "overlaps.parquet", Overlap)),
        tests={test.id: test for test in tests},
        summary=json.loads((audit.OUT / "audit.json").read_text()),
        left_out=LeftOut(FILE),
    )


@pytest.fixture(scope="module")
def worlds(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[World, World, list[Leak]]:
    """The clean world, the same with leaks, and the ledger."""
    folder = tmp_path_factory.mktemp("leaks")
    shutil.copytree(repository / "data/cards", folder / "data/cards")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        params = validate(Params, merge(read_profile("demo"), CHANGES, "test"), "test")
        for source in [*DATASETS, "pubmed", "pmc_oa", "biomed_vital"]:
            acquire.run(params, source)
        clean = look(build([]))
        ledger = plant_leaks(Path("data/raw"))
        return clean, look(build(DROP)), ledger


def is_of(leak: Leak, row: Overlap, test: Example) -> bool:
    words = " ".join([test.id, test.image_id, *test.documents, test.source, test.target]).lower()
    same = (row.kind, row.test, row.train) == (leak.kind, leak.test, leak.train)
    return same and " ".join(leak.known_by.lower().split()) in words


def test_every_planted_leak_is_found(worlds: tuple[World, World, list[Leak]]) -> None:
    _, leaky, ledger = worlds
    missed = [
        leak
        for leak in ledger
        if not any(is_of(leak, row, leaky.tests[row.test_id]) for row in leaky.rows)
    ]
    assert len(ledger) >= 20
    assert missed == []


def test_the_clean_world_raises_few_alarms(worlds: tuple[World, World, list[Leak]]) -> None:
    clean, _, _ = worlds
    alarms = Counter(row.kind for row in clean.rows)
    with_image = sum(bool(test.image_id) for test in clean.tests.values())
    shares = {kind: num / len(clean.tests) for kind, num in alarms.items()}
    print(f"false alarms on {len(clean.tests)} test items ({with_image} with image): {shares}")
    assert alarms["same_pair"] == alarms["same_image"] == alarms["same_document"] == 0
    assert alarms["same_text"] == alarms["same_group"] == 0
    assert alarms["similar_image"] / with_image <= 0.01
    # a test of the same drug in the same disease is near another one; on real texts it is none
    assert (alarms["near_text"] + alarms["shared_text"]) / len(clean.tests) <= 0.15


def test_what_leaks_is_left_out_of_training(worlds: tuple[World, World, list[Leak]]) -> None:
    clean, leaky, _ = worlds
    assert clean.left_out.items == set()
    named = {(row.train, row.train_id) for row in leaky.rows if row.kind in DROP}
    assert named <= leaky.left_out.items
    assert len(leaky.left_out.items) == leaky.summary["counts"]["left_out"]
    similar = {row.image_id for row in leaky.rows if row.kind == "similar_image"}
    assert similar <= leaky.left_out.images
