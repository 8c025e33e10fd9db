"""Tasks for lmms-eval: its format, and where it is installed the harness itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from components.cards import Card, load_card
from components.config import Params
from components.evaluation.metrics import find_metric
from components.interop.answers import read_answers, score_answers
from components.interop.export import export_tasks
from components.profiles.overlay import read_profile
from components.records import Example, ImageRecord, write_records
from components.schema import validate
from tests.components.evaluation.conftest import ask
from tests.components.interop.test_export import load_adapter, read_task

PARAMS = validate(Params, read_profile("demo"), "profile demo")
# The fields of TaskConfig (lmms_eval/api/task.py, 0.7.3) that are written; others it refuses.
FIELDS = {
    "task", "dataset_path", "dataset_kwargs", "test_split", "output_type", "doc_to_visual",
    "doc_to_text", "doc_to_target", "process_results", "metric_list", "generation_kwargs",
    "lmms_eval_specific_kwargs", "metadata",
}  # fmt: skip


@pytest.fixture
def cards(repository: Path) -> list[Card]:
    return [load_card(name, repository / "data/cards") for name in ("slake", "pneumoniamnist")]


@pytest.fixture
def exported(tmp_path: Path, cards: list[Card], images: list[ImageRecord]) -> Path:
    """Questions, and films of two classes whose card asks for an area under the curve, too."""
    films = [
        Example(
            id=f"pneumoniamnist/{number}", dataset="pneumoniamnist", task="classify", split=split,
            source=" what does the image describe?", target=target, references=[target.strip()],
            image_id=record.id,
        )
        for number, record in enumerate(images)
        for split in [("train", "test")[number % 2]]
        for target in [(" pneumonia", " normal")[number % 4 // 2]]
    ]  # fmt: skip
    for card, rows in zip(cards, (ask(images, 30), films), strict=True):
        folder = tmp_path / "examples" / card.name
        write_records(folder / "examples.parquet", Example, rows)
        write_records(folder / "images.parquet", ImageRecord, images)
    folder = tmp_path / "tasks"
    export_tasks(cards, tmp_path / "examples", PARAMS.evaluate, folder)
    return folder


def test_a_task_says_what_the_format_asks_for(exported: Path) -> None:
    config, rows = read_task(exported, "slake", "lmms-eval")
    assert set(config) == FIELDS
    assert config["output_type"] == "generate_until"
    assert config["generation_kwargs"]["max_new_tokens"] == PARAMS.evaluate.max_target_tokens
    adapter = load_adapter(exported, "lmms-eval")
    called = [config[key] for key in ("doc_to_visual", "doc_to_text", "process_results")]
    for kind, name in [*called, *(metric["aggregation"] for metric in config["metric_list"])]:
        assert kind == "function" and callable(getattr(adapter, name.removeprefix("adapter.")))
    prompt = config["lmms_eval_specific_kwargs"]["default"]
    asked = adapter.ask(rows[0], prompt)
    assert asked == rows[0]["source"].strip() + (
        "\nAnswer the question using a single word or phrase."
    )
    (picture,) = adapter.open_images(rows[0])
    assert picture.mode == "RGB"
    assert adapter.open_images({"image": None}) == []


def test_classes_are_named_and_what_needs_their_probabilities_is_left_out(exported: Path) -> None:
    config, rows = read_task(exported, "pneumoniamnist", "lmms-eval")
    prompt = config["lmms_eval_specific_kwargs"]["default"]
    said = load_adapter(exported, "lmms-eval").ask(rows[0], prompt)
    assert said == "what does the image describe?\nAnswer with one of: normal, pneumonia."
    assert [metric["metric"] for metric in config["metric_list"]] == ["accuracy"]
    assert config["metadata"]["metrics_left_out"] == ["auc"]
    assert config["metadata"]["metric_versions"] == {"accuracy": find_metric("accuracy").version}


def test_the_harness_scores_as_this_project_does(
    exported: Path, cards: list[Card], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lmms_eval", reason="needs lmms-eval, which is not among the dependencies")
    from lmms_eval.api.model import lmms
    from lmms_eval.api.task import TaskConfig
    from lmms_eval.evaluator import evaluate
    from lmms_eval.tasks import TaskManager, get_task_dict

    assert {field.name for field in fields(TaskConfig)} >= FIELDS

    class Sayer(lmms):  # type: ignore[misc]
        """Says what lies in its list, by the item's number, and looks at the picture it is sent."""

        task_dict: dict[str, Any]

        def generate_until(self, requests: Sequence[Any]) -> list[str]:
            said = []
            for request in requests:
                context, _, see, number, task, split = request.args
                row = self.task_dict[task][split][number]
                assert see(row)[0].mode == "RGB" and context.startswith(row["source"].strip())
                said.append("wrong" if number % 3 == 0 else f" {row['target'].upper()}.\nmore")
            return [text.split("\n")[0] for text in said]

        def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
            raise NotImplementedError

        def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
            raise NotImplementedError

    monkeypatch.chdir(exported)  # tasks name their data by file
    monkeypatch.setenv("LMMS_EVAL_DATASETS_CACHE", str(tmp_path / "cache"))
    manager = TaskManager(include_path="lmms-eval", include_defaults=False)
    names = [f"biomedgpt_{card.name}" for card in cards]
    tasks, model = get_task_dict(names, manager), Sayer()
    model.task_dict = {name: tasks[name].dataset for name in names}
    found = evaluate(lm=model, task_dict=tasks, bootstrap_iters=0)
    for card, name in zip(cards, names, strict=True):
        samples = tmp_path / f"{card.name}.jsonl"
        samples.write_text("".join(json.dumps(row, default=str) + "\n"
                                   for row in found["samples"][name]))  # fmt: skip
        assert len(list(read_answers(samples))) == len(found["samples"][name])
        ours = score_answers(samples, card, tmp_path / "examples" / card.name, PARAMS)
        for metric in ours["scores"]:
            theirs = found["results"][name][f"{metric},none"]
            value = ours["scores"][metric]["all"]["value"]
            assert theirs == pytest.approx(value, abs=1e-3) and 0 < value < 100
