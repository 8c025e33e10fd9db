"""Where a run starts: from a checkpoint that fits this project's vocabulary and codes, or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.config import Params
from components.errors import UserError
from components.lineage import write_manifest
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.model.weights import save_model
from components.profiles.overlay import read_profile
from components.run_plan import RunPlan, plan_run
from components.runs import start_model
from components.schema import validate
from components.tokenization.vocabulary import Vocabulary, train_vocabulary


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return train_vocabulary([" is there a rib? answer"] * 3, 20, num_codes=4, num_bins=4)


@pytest.fixture
def plan(tmp_path: Path, vocabulary: Vocabulary) -> RunPlan:
    """A run from a checkpoint of the right size, whose codes are of 32 px."""
    config = model_config("debug", vocabulary.size, code_image_size=32)
    save_model(UnifiedModel(config), tmp_path / "imported")
    params = validate(Params, read_profile("demo"), "demo")
    made = plan_run(
        params,
        "pretrain",
        "debug",
        params.pretrain.for_run("debug"),
        start_from=tmp_path / "imported",
        inputs=[],
        out=tmp_path / "out",
    )
    return replace(made, code_px=32)


def test_a_checkpoint_that_fits_starts_with_the_run_s_dropout(
    plan: RunPlan, vocabulary: Vocabulary
) -> None:
    config = start_model(plan, vocabulary).config
    assert config.dropout == plan.settings["dropout"]
    assert config.code_image_size == 32


def test_another_vocabulary_is_refused_with_both_sizes(
    plan: RunPlan, vocabulary: Vocabulary
) -> None:
    larger = replace(vocabulary, num_bins=9)
    with pytest.raises(UserError) as caught:
        start_model(plan, larger)
    assert caught.value.what == (
        f"{plan.start_from} has {vocabulary.size} tokens, data/vocabulary has {larger.size}"
    )
    assert "build_vocabulary" in caught.value.next_command


def test_codes_of_another_size_are_refused(plan: RunPlan, vocabulary: Vocabulary) -> None:
    with pytest.raises(UserError, match="image codes of 32 px") as caught:
        start_model(replace(plan, code_px=64), vocabulary)
    assert "tokenize_images.image_px to 32" in caught.value.next_command


def test_a_checkpoint_of_another_size_is_refused(plan: RunPlan, vocabulary: Vocabulary) -> None:
    with pytest.raises(UserError, match="is no model of size large: it has d_model 128"):
        start_model(replace(plan, size="large"), vocabulary)


def test_a_vocabulary_of_the_same_size_but_other_content_is_refused(
    plan: RunPlan, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    folders = {name: tmp_path / name for name in ("own", "other")}
    vocabulary.save(folders["own"])
    train_vocabulary([" was the lung clear? yes"] * 3, 20, num_codes=4, num_bins=4).save(
        folders["other"]
    )
    write_manifest(
        Path(plan.start_from),
        stage="pretrain",
        identity={},
        settings={},
        inputs=[folders["own"]],
        counts={"in": 1, "out": 1},
    )
    start_model(replace(plan, vocabulary=str(folders["own"])), vocabulary)
    with pytest.raises(UserError, match=r"was trained with another vocabulary than .*other"):
        start_model(replace(plan, vocabulary=str(folders["other"])), vocabulary)


@pytest.mark.parametrize(("keep", "kept"), [("last", 0), ("best", 1)])
def test_the_weights_to_go_back_to_are_kept_whatever_compute_says(
    keep: str, kept: int, tmp_path: Path
) -> None:
    params = validate(Params, read_profile("demo"), "demo")
    compute = params.compute.model_copy(update={"keep_best": 0, "checkpoints": "s3://bucket/all/"})
    params = params.model_copy(update={"compute": compute})
    settings = params.finetune.model_copy(update={"keep": keep, "validate_every": 2})
    made = plan_run(params, "finetune", "debug", settings, start_from=None, inputs=[], out=tmp_path)
    assert made.keep_best == kept
    assert made.checkpoints == "s3://bucket/all/finetune-debug"


def test_a_start_that_is_not_what_its_manifest_tells_is_refused(
    plan: RunPlan, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    folder, own = Path(plan.start_from), tmp_path / "own"
    vocabulary.save(own)
    plan, counts = replace(plan, vocabulary=str(own)), {"in": 1, "out": 1}
    write_manifest(folder, stage="pretrain", identity={}, settings={}, inputs=[own], counts=counts)
    start_model(plan, vocabulary)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4096] + bytes(4096))  # as a power cut leaves them
    with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
        start_model(plan, vocabulary)
