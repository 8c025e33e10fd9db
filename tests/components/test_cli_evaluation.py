"""The commands on scores, as a person types them, on data sets of every kind of answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.cards import Card, load_card
from components.cli import run_command
from components.evaluation.metrics import find_metric, find_reference_metric
from components.lineage import write_manifest
from components.profiles.overlay import write_params
from components.records import Example, write_records
from components.tasks.base import Fields
from flows.cli import build_parser
from tests.components.evaluation.conftest import make_example

FIELDS: dict[str, Fields] = {
    "vqa": {"question": "which side is it", "answer": "left"},
    "caption": {"caption": "the heart is large"},
    "summarize": {"text": "i have had a cough for 11 days what is it", "summary": "what is it"},
    "understand": {"premise": "the rib is normal", "hypothesis": "it is", "label": "entailment"},
}


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> Path:
    """A project whose cards are the repository's, with the demonstration's settings."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/cards").symlink_to(repository / "data/cards")
    write_params("demo")
    return tmp_path


def write_set(card: Card) -> list[Example]:
    """A prepared data set; its test items."""
    examples = [make_example(card.task, number, FIELDS[card.task]) for number in range(30)]
    folder = Path("data/examples") / card.name
    write_records(folder / "examples.parquet", Example, examples)
    write_manifest(folder, stage="prepare", identity={}, settings={}, inputs=[],
                   counts={"in": 30, "out": 30})  # fmt: skip
    return [example for example in examples if example.split == "test"]


@pytest.mark.parametrize("name", ["vqa_rad", "iu_xray", "meqsum", "mednli"])
def test_answers_are_scored_by_every_metric_beside_the_paper_s_way(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    card = load_card(name)
    rows = [{"id": e.id, "prediction": e.target} for e in write_set(card)]
    Path("answers.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ["score", "answers.jsonl", "--dataset", name, "--to", "new/folder/scores.json"]
    assert run_command(build_parser(), words) == 0
    told = capsys.readouterr().out.splitlines()
    for metric in map(find_metric, card.metrics):
        (line,) = [line for line in told if line.startswith(f"{metric.name} {metric.version}, all")]
        assert ", n 10, " in line
        assert ("paper's way" in line) == bool(find_reference_metric(card.task, metric.name))
    assert json.loads(Path("new/folder/scores.json").read_text())["headline"] == card.metrics[0]
