"""A passport names what a score rests on, and changes when that does, and only then."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from components.cards import Card
from components.config import Params
from components.errors import UserError
from components.evaluation.examine import Exam, read_exam, read_zero_shot_exam
from components.evaluation.passport import Fact, hash_items, issue_passport
from components.lineage import hash_file, write_manifest
from components.profiles.overlay import read_profile
from components.records import Example, ImageRecord
from components.schema import validate
from tests.components.evaluation.conftest import ask

PARAMS = validate(Params, read_profile("demo"), "profile demo")
SETTINGS = {"image_px": 64, "max_source_tokens": 40, "long_text": "cut", "seed": 7}


@pytest.fixture
def folder(place: Callable[[list[Example]], Path], images: list[ImageRecord]) -> Path:
    """Prepared examples with their manifest."""
    folder = place(ask(images))
    finish(folder, {"derived_validation": 0.1}, release="a release")
    return folder


def finish(folder: Path, settings: dict[str, object], **notes: str) -> None:
    write_manifest(
        folder, stage="made", identity={}, settings=settings, inputs=[],
        counts={"in": 1, "out": 1}, notes=notes,
    )  # fmt: skip


def issue(exam: Exam, folder: Path, tmp_path: Path) -> dict[str, Fact]:
    model, answers = tmp_path / "model", tmp_path / "predictions.parquet"
    finish(model, SETTINGS)
    answers.write_bytes(b"answers")
    facts = issue_passport(exam, PARAMS, examples=folder, models=[model], predictions=[answers])
    assert json.loads(json.dumps(facts)) == facts
    return {fact["name"]: fact for fact in facts}


def test_names_items_answers_decoding_model_data_and_code(
    folder: Path, tmp_path: Path, card: Callable[[str], Card]
) -> None:
    found = issue(read_exam(card("vqa_rad"), folder), folder, tmp_path)
    assert found["test items"]["value"] == {"n": 3}
    assert found["answer set"]["value"]["from"] == "train"
    assert found["decoding"]["value"]["method"] == "every candidate scored"
    assert found["decoding"]["value"]["image_px"] == 64
    assert found["seeds"]["value"] == {"models": [7]}
    assert found["interval"]["value"] == {"resamples": 1000, "seed": 7, "confidence": 0.95}
    assert found["model"]["sha256"] == hash_file(tmp_path / "model/manifest.json")
    assert found["predictions"]["sha256"] == hash_file(tmp_path / "predictions.parquet")
    assert found["data"]["value"]["release"] == "a release"
    assert found["data"]["sha256"] == hash_file(folder / "manifest.json")
    assert len(found["code"]["sha256"]) == 64


def test_free_answers_have_another_passport_than_chosen_ones(
    folder: Path, tmp_path: Path, card: Callable[[str], Card]
) -> None:
    chosen = issue(read_exam(card("vqa_rad"), folder), folder, tmp_path)
    free = issue(read_zero_shot_exam(card("vqa_rad"), folder), folder, tmp_path)
    assert free["decoding"]["value"]["beam"] == PARAMS.evaluate.beam
    assert free["answer set"]["value"]["size"] is None
    assert free["answer set"]["sha256"] != chosen["answer set"]["sha256"]


def test_the_split_is_its_content_and_not_its_order(images: list[ImageRecord]) -> None:
    items = ask(images)
    whole = hash_items(items)
    assert hash_items(reversed(items)) == whole
    moved = [replace(item, origin="elsewhere", split="train") for item in items]
    assert hash_items(moved) == whole
    for change in ({"target": " other"}, {"image_id": "0" * 64}, {"id": "vqa/99"}):
        assert hash_items([replace(items[0], **change), *items[1:]]) != whole  # type: ignore[arg-type]
    assert hash_items(items[1:]) != whole


def test_a_missing_model_is_an_error(
    folder: Path, tmp_path: Path, card: Callable[[str], Card]
) -> None:
    exam = read_exam(card("vqa_rad"), folder)
    with pytest.raises(UserError, match="not a finished product"):
        issue_passport(exam, PARAMS, examples=folder, models=[tmp_path / "none"], predictions=[])
