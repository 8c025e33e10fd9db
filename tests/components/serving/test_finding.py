"""A model is found in a folder, in its project, or at an address; nothing else passes for one."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from components.artifacts.address import parse_address
from components.artifacts.publishing import publish
from components.config import load_params
from components.errors import UserError
from components.evaluation.calibration import Calibration, read_calibration, write_calibration
from components.evaluation.predict import load_answerer
from components.lineage import hash_file
from components.records import Example, read_records, write_records
from components.serving import load
from components.serving.asking import VOCABULARY
from components.serving.finding import find_model
from components.serving.served import Request
from components.tracing.products import read_products
from tests.components.artifacts.conftest import made_project, project
from tests.components.artifacts.project import EXAMPLES, MODEL, PREDICTIONS, PRETRAINED, evaluate
from tests.components.serving.small import draw, make_folder
from tests.components.training.s3_line import BUCKET, Line, line, s3_address

__all__ = ["line", "made_project", "project", "s3_address"]
FITTED = Calibration(
    method="temperature", temperature=2.5, split="validation", num_items=40, accuracy=0.6,
    error_before=0.3, error_after=0.05,
)  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def publish_model(place: str) -> None:
    publish(MODEL, parse_address(f"{place}/vqa"), read_products(), load_params())


def test_a_model_of_the_project_is_asked_where_it_lies(project: Path, tmp_path: Path) -> None:
    model = load(MODEL, "cpu")
    assert model.asking.candidates == [" no", " yes"] and model.calibration is None
    assert model.version.model == hash_file(MODEL / "manifest.json")
    assert model.version.data == {EXAMPLES.as_posix(): hash_file(EXAMPLES / "manifest.json")}
    publish_model(str(tmp_path / "shared"))
    shared = load(str(tmp_path / "shared/vqa"), "cpu")
    assert shared.version.model == model.version.model and "vqa@v1" in shared.version.name
    asked = Request(draw(0), "is the lung clear?")
    assert model.ask_all([asked]) == shared.ask_all([asked])
    assert load(PRETRAINED, "cpu").ask(draw(0), "what is seen").options == []


def test_a_model_of_another_project_says_where_to_go(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="of another project") as caught:
        find_model(project / MODEL)
    assert f"cd {project}" in caught.value.next_command
    monkeypatch.chdir(project)
    with pytest.raises(UserError, match="no model, but what prepare made"):
        find_model(EXAMPLES)


def test_the_calibration_goes_with_the_very_model_that_it_was_fitted_for(
    project: Path, tmp_path: Path
) -> None:
    write_calibration(FITTED, PREDICTIONS)
    plain = load(MODEL, "cpu")
    assert plain.calibration == FITTED
    reply = plain.ask(draw(0), "is the lung clear?")
    assert reply.confidence.is_calibrated and "40 validation items" in reply.confidence.words
    assert 0.5 <= reply.confidence.value < reply.confidence.raw  # 2.5 takes certainty away
    publish_model(str(tmp_path / "shared"))
    assert load(f"{tmp_path}/shared/vqa", "cpu").calibration == FITTED
    manifest = PREDICTIONS / "manifest.json"
    told = json.loads(manifest.read_text())
    told["inputs"][MODEL.as_posix()] = "0" * 64  # of a model that was trained before
    manifest.write_text(json.dumps(told))
    assert load(MODEL, "cpu").calibration is None


def test_the_evaluation_leaves_a_calibration_where_items_are_enough(project: Path) -> None:
    path = EXAMPLES / "examples.parquet"
    examples = list(read_records(path, Example))
    held = [e for e in examples if e.split == "validation"]
    more = [replace(e, id=f"{e.id}-{n}") for n in range(6) for e in held]
    write_records(path, Example, [*examples, *more])
    evaluate()
    fitted = load(MODEL, "cpu").calibration
    assert fitted and fitted.num_items == 28 and fitted == read_calibration(PREDICTIONS)
    assert "calibration.json" in json.loads((PREDICTIONS / "manifest.json").read_text())["files"]


def test_a_damaged_calibration_is_told(tmp_path: Path) -> None:
    for content in ("", "{}", '{"temperature": -1}'):
        (tmp_path / "calibration.json").write_text(content)
        with pytest.raises(UserError, match=r"calibration\.json"):
            read_calibration(tmp_path)


@pytest.mark.services
def test_an_artifact_is_fetched_once_and_kept_by_its_content(
    line: Line, project: Path, cache: Path
) -> None:
    publish_model(f"s3://{BUCKET}/shared")
    told: list[str] = []
    first = find_model(f"s3://{BUCKET}/shared/vqa", told.append)
    assert len(told) == 9 and first.folder.is_relative_to(cache)
    again = find_model(f"s3://{BUCKET}/shared/vqa@v1", told.append)
    assert again.folder == first.folder and len(told) == 9
    (first.folder / "config.json").unlink()
    with pytest.raises(UserError, match="is damaged or missing"):
        find_model(f"s3://{BUCKET}/shared/vqa")


def test_unknown_models_and_versions_are_told(project: Path, tmp_path: Path) -> None:
    publish_model(str(tmp_path / "shared"))
    with pytest.raises(UserError, match="has no vqa@v7") as caught:
        find_model(f"{tmp_path}/shared/vqa@v7")
    assert caught.value.why == "there are v1"
    publish(PREDICTIONS, parse_address(f"{tmp_path}/shared/told"), read_products(), load_params())
    with pytest.raises(UserError, match="is no model, but predictions"):
        find_model(f"{tmp_path}/shared/told")
    with pytest.raises(UserError, match="there is no model nothing/here"):
        find_model("nothing/here")


@pytest.mark.parametrize("name", ["vocabulary.json", "bpe.json", ""])
def test_a_model_without_its_tokenizer_is_told(tmp_path: Path, name: str) -> None:
    folder = make_folder(tmp_path / "model")
    if name:
        (folder / VOCABULARY / name).unlink()
    else:
        shutil.rmtree(folder / VOCABULARY)
    with pytest.raises(UserError, match="has no tokenizer"):
        load(folder, "cpu")


def test_a_tokenizer_of_another_model_is_told(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model")
    layout = folder / VOCABULARY / "vocabulary.json"
    told = json.loads(layout.read_text())
    layout.write_text(json.dumps(told | {"num_bins": told["num_bins"] + 1}))
    with pytest.raises(UserError, match="its tokenizer"):
        load(folder, "cpu")


@pytest.mark.parametrize("name", ["vocabulary.json", "bpe.json"])
@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", '{"a": 1}', '{"order": ["x"], "num_codes": 1, "num_bins": 1}',
        '{"order": [0, 99999999], "num_codes": 1, "num_bins": 1}',
        '{"order": [0], "num_codes": -1, "num_bins": 1}', "[" * 100_000,
    ],
    ids=len,
)  # fmt: skip
def test_a_damaged_tokenizer_is_told(tmp_path: Path, name: str, content: str) -> None:
    folder = make_folder(tmp_path / "model")
    (folder / VOCABULARY / name).write_text(content)
    with pytest.raises(UserError, match=r"the tokenizer of the model .* is damaged") as caught:
        load(folder, "cpu")
    assert "get it again" in caught.value.next_command


def test_a_tokenizer_on_which_its_library_panics_is_damaged(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model")
    path = folder / VOCABULARY / "bpe.json"
    bpe = json.loads(path.read_text())
    bpe["model"]["continuing_subword_prefix"] = "2020-99-99"  # longer than what is merged
    path.write_text(json.dumps(bpe))
    with pytest.raises(UserError, match=r"the tokenizer of the model .* is damaged") as caught:
        load(folder, "cpu")
    assert "out of range" in str(caught.value.why)


@pytest.mark.parametrize("name", ["product.json", "artifact.json", "asking.json"])
@pytest.mark.parametrize(
    "content",
    ["", "7", '{"name": 1}', '{"stage": 1, "identity": {}, "inputs": {}}', "[" * 100_000],
    ids=len,
)
def test_what_is_told_of_a_model_and_is_damaged_is_named(
    tmp_path: Path, name: str, content: str
) -> None:
    folder = make_folder(tmp_path / "model")
    told = {"stage": "finetune", "identity": {"size": "debug"}, "inputs": {}}
    (folder / "product.json").write_text(json.dumps(told))
    (folder / name).write_text(content)
    with pytest.raises(UserError, match=re.escape(name)):
        find_model(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_model_without_one_of_its_files_names_it(tmp_path: Path, name: str) -> None:
    folder = make_folder(tmp_path)
    (folder / name).unlink()
    with pytest.raises(UserError, match=re.escape(name)) as told:
        load(folder, "cpu")
    assert "get it again" in told.value.next_command


def cut_power(path: Path) -> None:
    """What a power cut leaves of the last bytes: the file's length, and zeros."""
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:-4096] + bytes(4096))


def test_weights_of_the_right_length_that_are_others_answer_nothing(
    project: Path, tmp_path: Path
) -> None:
    publish_model(str(tmp_path / "shared"))
    address = str(tmp_path / "shared/vqa")
    kept = find_model(address).folder
    for folder, model in ((kept, address), (MODEL, MODEL)):
        cut_power(folder / "model.safetensors")
        with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
            load(model, "cpu")
    with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
        load_answerer(MODEL, Path("data/vocabulary"), load_params())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_weights_without_rights_are_told_as_such(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    (folder / "model.safetensors").chmod(0)
    with pytest.raises(PermissionError):
        load(folder, "cpu")
