"""Exported tasks hold the test split, this project's metrics, and nothing that may not go out."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from components.cards import Card, load_card
from components.config import Params
from components.errors import UserError
from components.interop.adapter import open_images, process_results
from components.interop.export import Exported, export_tasks
from components.profiles.overlay import read_profile
from components.records import Example, ImageRecord, write_records
from components.schema import validate
from tests.components.evaluation.conftest import ask, infer

PARAMS = validate(Params, read_profile("demo"), "profile demo")


class Loader(yaml.SafeLoader):
    """Reads the harness' own tag as the function's name."""


def read_function(loader: Loader, node: yaml.ScalarNode) -> tuple[str, str]:
    return "function", str(loader.construct_scalar(node))


Loader.add_constructor("!function", read_function)


@pytest.fixture
def cards(repository: Path) -> dict[str, Card]:
    return {name: load_card(name, repository / "data/cards") for name in ("mednli", "slake")}


@pytest.fixture
def exported(tmp_path: Path, cards: dict[str, Card], images: list[ImageRecord]) -> Path:
    """Two data sets, of which one may not be passed on, as tasks."""
    examples = tmp_path / "examples"
    for name, rows in {"mednli": infer(30), "slake": ask(images, 30)}.items():
        write_records(examples / name / "examples.parquet", Example, rows)
    write_records(examples / "slake/images.parquet", ImageRecord, images)
    folder = tmp_path / "tasks"
    open_card = cards["mednli"].source.model_copy(update={"access": "open"})
    listed = [
        cards["mednli"].model_copy(update={"source": open_card}),
        cards["slake"],
        cards["mednli"].model_copy(update={"name": "closed"}),
        cards["slake"].model_copy(update={"name": "absent"}),
    ]
    found = export_tasks(listed, examples, PARAMS.evaluate, folder)
    assert found == [
        Exported("mednli", 10, harnesses=("lm-eval",)),
        Exported("slake", 10, harnesses=("lm-eval", "lmms-eval")),
        Exported("closed", 0, "its records may not be passed on (credentialed)"),
        Exported("absent", 0, "it is not prepared: dvc repro prepare"),
    ]
    return folder


def read_task(
    folder: Path, name: str, harness: str = "lm-eval"
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    config = yaml.load((folder / harness / f"biomedgpt_{name}.yaml").read_text(), Loader)
    rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    return config, rows


def load_adapter(folder: Path, harness: str = "lm-eval") -> ModuleType:
    """The file beside the tasks, as a harness loads it."""
    spec = importlib.util.spec_from_file_location("adapter", folder / harness / "adapter.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nothing_is_written_of_what_may_not_go_out(exported: Path) -> None:
    files = (path for path in exported.rglob("*") if path.parent.name != "images")
    assert sorted(path.relative_to(exported).as_posix() for path in files) == [
        "images", "lm-eval", "lm-eval/adapter.py", "lm-eval/biomedgpt_mednli.yaml",
        "lm-eval/biomedgpt_slake.yaml", "lmms-eval", "lmms-eval/adapter.py",
        "lmms-eval/biomedgpt_slake.yaml", "mednli.jsonl", "slake.jsonl",
    ]  # fmt: skip


def test_a_folder_is_there_once_all_of_it_is(tmp_path: Path, cards: dict[str, Card]) -> None:
    examples, folder = tmp_path / "examples", tmp_path / "tasks"
    path = examples / "mednli" / "examples.parquet"
    write_records(path, Example, infer(30))
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    opened = cards["mednli"].source.model_copy(update={"access": "open"})
    listed = [cards["mednli"].model_copy(update={"source": opened})]
    with pytest.raises(UserError, match="is damaged"):
        export_tasks(listed, examples, PARAMS.evaluate, folder)
    assert not folder.exists()
    path.write_bytes(whole)
    folder.mkdir()  # as somebody made it for this
    export_tasks(listed, examples, PARAMS.evaluate, folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["examples", "tasks"]


def test_few_classes_are_chosen_among(exported: Path) -> None:
    config, rows = read_task(exported, "mednli")
    assert config["output_type"] == "multiple_choice" and config["doc_to_choice"] == "choices"
    assert config["target_delimiter"] == ""
    for row in rows:
        assert row["choices"] == [" maybe", " no", " yes"]
        assert row["choices"][row["gold"]].strip() == row["target"]
        assert row["source"].startswith(" can text1")


def test_other_answers_are_written_and_images_lie_beside(
    exported: Path, images: list[ImageRecord]
) -> None:
    config, rows = read_task(exported, "slake")
    assert config["output_type"] == "generate_until" and "choices" not in rows[0]
    assert config["doc_to_image"] == ("function", "adapter.open_images")
    known = {record.id: record.bytes for record in images}
    for row in rows:
        assert (exported / row["image"]).read_bytes() == known[row["image"].split("/")[1]]
    (picture,) = load_adapter(exported).open_images(rows[0])
    assert picture.size == (24, 20) and picture.mode == "RGB"
    assert open_images.__doc__


def test_the_adapter_scores_as_this_project_does(exported: Path) -> None:
    adapter = load_adapter(exported)
    config, rows = read_task(exported, "mednli")
    (metric,) = config["metric_list"]
    kind, name = metric["aggregation"]
    assert (kind, name) == ("function", "adapter.pool_accuracy")
    scored = []
    for number, row in enumerate(rows):
        chosen = row["gold"] if number < 7 else (row["gold"] + 1) % 3
        likelihoods = [(-1.0 if place == chosen else -5.0, False) for place in range(3)]
        scored.append(adapter.process_results(row, likelihoods)["accuracy"])
    assert getattr(adapter, name.split(".")[1])(scored) == pytest.approx(70)
    with pytest.raises(AttributeError):
        adapter.pool_no_such_metric  # noqa: B018
    text = process_results({"metrics": ["accuracy"], "references": ["normal"]}, [" Normal. "])
    assert adapter.pool_accuracy([text["accuracy"]]) == 100
    text = process_results({"metrics": ["accuracy"], "references": ["normal"]}, ["no"])
    assert adapter.pool_accuracy([text["accuracy"]]) == 0


def test_a_task_says_which_items_and_versions_it_is_of(exported: Path) -> None:
    config, _ = read_task(exported, "mednli")
    about = config["metadata"]
    assert len(about["items_sha256"]) == 64 and about["metric_versions"] == {"accuracy": "1.1"}
    assert about["candidates"] == "fixed" and about["licence"] and about["citation"]
