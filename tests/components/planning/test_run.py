"""The plan of a run, as it is printed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.cli import run_command
from components.config import Params
from components.errors import UserError
from components.lineage import MANIFEST
from components.planning.run import plan_training
from flows.cli import build_parser
from tests.components.planning.test_streams import settings


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> Path:
    """A fresh clone with the settings of the demo, nothing made."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    shutil.copytree(repository / "data/cards", tmp_path / "data/cards")
    run_command(build_parser(), ["use", "demo"])
    return tmp_path


def plan(params: Params, stage: str, size: str, dataset: str = "", gpus: int = 8) -> list[str]:
    return list(plan_training(params, stage, size, dataset, gpus))


def row(lines: list[str], label: str) -> list[str]:
    """The cells behind the first line that begins with a label."""
    return next(line for line in lines if line.strip().startswith(label)).strip().split()


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_the_command_prints_the_whole_bill(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "pretrain", "--size", "xlarge", "--gpus", "8"]
    capsys.readouterr()
    assert run_command(build_parser(), words) == 0
    said = capsys.readouterr().out
    for word in (
        "pretrain xlarge, 8 GPUs", "token matrix", "activations", "optimizer moments", "fsdp",
        "250 steps", "GPU-hours", "kWh", "USD", "to store", "inputs are missing", "assumed:",
        "data/articles", "dvc repro ingest_pubmed", "data/examples/deeplesion",
        "dvc repro prepare_pretraining@deeplesion", "params.yaml is set for debug, micro",
        "which GPUs do far slower", "it is not built yet",
    ):  # fmt: skip
        assert word in said, word


def test_the_released_model_has_its_published_size() -> None:
    lines = plan(settings("xlarge"), "pretrain", "xlarge")
    assert row(lines, "parameters")[1] == "929,486,848"
    assert not any("not built yet" in line for line in lines)


def test_twice_the_gpus_take_half_the_time_for_the_same_money() -> None:
    eight, sixteen = (
        row(plan(settings("large"), "pretrain", "large", gpus=n), "a100_80gb") for n in (8, 16)
    )
    assert number(eight[1]) == pytest.approx(number(sixteen[1]), rel=0.01)
    assert number(eight[2]) == pytest.approx(2 * number(sixteen[2]), rel=0.01)
    assert number(eight[4]) == pytest.approx(2.0 * number(eight[1]), rel=0.01)
    assert number(eight[3]) == pytest.approx(0.4 * number(eight[1]), rel=0.01)


def test_what_multiplies_the_work_multiplies_the_bill() -> None:
    """Seeds are runs of their own, R-Drop passes twice, and the best checkpoint stays as well."""
    params = settings("base")

    def bill(**changes: object) -> list[str]:
        changed = params.finetune.model_copy(update={"seeds": 1, **changes})
        return plan(params.model_copy(update={"finetune": changed}), "finetune", "base", "vqa_rad")

    once, thrice, twice = bill(), bill(seeds=3), bill(rdrop=1.0)
    hours = [number(row(lines, "a100_80gb")[1]) for lines in (once, thrice, twice)]
    assert hours[1] == pytest.approx(3 * hours[0], rel=0.01)
    assert hours[2] == pytest.approx(2 * hours[0], rel=0.05)
    assert any("steps of each of 3 seeds" in line for line in thrice)
    held = [number(row(lines, "activations")[1]) for lines in (once, twice)]
    assert held[1] == pytest.approx(2 * held[0], rel=0.1)
    assert row(thrice, "to store")[2] != row(once, "to store")[2]
    assert any("(2 are kept" in line for line in once)
    assert any("(3 are kept" in line for line in bill(validate_every=5))
    scoreless = params.compute.model_copy(update={"keep_best": 0})
    params = params.model_copy(update={"compute": scoreless})
    assert any("(3 are kept" in line for line in bill(validate_every=5, keep="best"))
    assert any("(2 are kept" in line for line in bill(validate_every=5))


def test_more_gpus_than_micro_batches_stand_idle() -> None:
    lines = plan(settings("base"), "finetune", "base", "vqa_rad", gpus=32)
    assert any("50% of the GPUs have work" in line for line in lines)
    refused = [line for line in lines if line.startswith("such a run is refused: finetune: an eff")]
    assert "gives work to 16 of 32 workers" in refused[0]
    assert not any("have work" in line for line in plan(settings("base"), "instruct", "base"))


def test_an_input_that_is_there_is_not_missing(project: Path) -> None:
    params = settings()
    before = plan(params, "finetune", "debug", "slake")
    assert any("dvc repro prepare@slake" in line for line in before)
    (project / "data/examples/slake").mkdir(parents=True)
    (project / "data/examples/slake" / MANIFEST).write_text(
        '{"counts": {"train": 1, "validation": 1, "test": 1}}'
    )
    after = plan(params, "finetune", "debug", "slake")
    assert not any("prepare@slake" in line for line in after)


def test_raw_files_that_nobody_can_make_are_named() -> None:
    lines = plan(settings("xlarge"), "finetune", "xlarge", "slake")
    assert any("raw files of slake" in line and "datasets slake" in line for line in lines)


@pytest.mark.parametrize(
    ("stage", "size", "dataset", "gpus", "words"),
    [
        ("pretrain", "xxl", "", 8, "no model size"),
        ("finetune", "debug", "", 8, "needs a data set"),
        ("instruct", "debug", "slake", 8, "takes no data set"),
        ("finetune", "debug", "deeplesion", 8, "deeplesion is no data set to fine-tune on"),
        ("finetune", "debug", "biomed_vital", 8, "its task is instruct"),
        ("finetune", "debug", "slak", 8, "slak"),
        ("pretrain", "debug", "", 0, "one GPU at least"),
    ],
)
def test_a_wrong_word_is_named(stage: str, size: str, dataset: str, gpus: int, words: str) -> None:
    with pytest.raises(UserError, match=words):
        plan(settings(), stage, size, dataset, gpus)
