"""Interrupted equals uninterrupted, bit for bit: real feeds, the debug model, SIGKILL.

Each attempt is a process. What is compared is the last checkpoint (weights, optimizer, average,
log of losses), and every file that the run leaves.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from components.config import Params
from components.dataset import left_out
from components.lineage import write_manifest
from components.profiles.overlay import read_profile
from components.records import (
    Article,
    Example,
    Figure,
    ImageCodes,
    ImageRecord,
    Overlap,
    write_records,
)
from components.run_plan import plan_run
from components.runs import LOG
from components.schema import validate
from components.tokenization.vocabulary import train_vocabulary
from components.tracking import CURVES
from tests.components.test_pretraining import ARTICLE
from tests.components.training.test_launch import ask_about, make_image

pytestmark = pytest.mark.xdist_group("resume")  # one process makes each uninterrupted run once
STEPS, NUM_EXAMPLES, BATCH = 10, 12, 8
FILES = {"model.safetensors", "optimizer.safetensors", "average.safetensors", "values.json"}


@dataclass(frozen=True)
class Case:
    """A run and how its first attempt is killed; ``changes`` are further settings of it."""

    name: str
    save_every: int
    dies_after: int
    resumes_from: int
    stage: str = "finetune"
    halve: str = ""
    loader_workers: int = 0
    changes: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case("mid-epoch", save_every=4, dies_after=6, resumes_from=4),
    Case("right after a save", save_every=4, dies_after=5, resumes_from=4),
    Case("epoch edge", save_every=3, dies_after=5, resumes_from=3),
    Case("during a save", 4, dies_after=9, resumes_from=4, halve="step-00000008"),
    Case("mid-epoch, two loader workers", 4, dies_after=6, resumes_from=4, loader_workers=2),
    Case("after validation", 99, dies_after=5, resumes_from=4, changes={"validate_every": 4}),
    Case("pretraining", save_every=4, dies_after=6, resumes_from=4, stage="pretrain"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vocabulary, examples with images, articles with figures, and image codes."""
    data = tmp_path_factory.mktemp("resume") / "data"
    images = [make_image(number) for number in range(NUM_EXAMPLES)]
    rows = ask_about(images)
    boxed = [
        replace(row, id=f"b{row.id}", task="detect", references=["rib"], boxes=[[1.0, 2, 20, 30]])
        for row in rows[:3]
    ]
    held_out = [replace(row, id=f"v{row.id}", split="validation") for row in rows[:4]]
    write_records(data / "examples/toy/examples.parquet", Example, [*rows, *held_out])
    write_records(data / "examples/all/examples.parquet", Example, [*rows, *boxed])
    for name in ("examples/toy/images", "examples/all/images", "articles/images/a"):
        write_records(data / f"{name}.parquet", ImageRecord, images)
    articles = [replace(ARTICLE, pmid=str(i), text="a rib is there " * (5 + i)) for i in range(5)]
    write_records(data / "articles/articles/a.parquet", Article, articles)
    write_records(data / "articles/figures/a.parquet", Figure, [])
    codes = [ImageCodes(image.id, [0, 1, 2, 3]) for image in images]
    write_records(data / "codes/codes/a.parquet", ImageCodes, codes)
    counts = {"in": len(codes), "out": len(codes)}
    write_manifest(
        data / "codes", stage="tokenize_images", identity={}, settings={"crop": "centre"},
        inputs=[], counts=counts,
    )  # fmt: skip
    write_manifest(
        data / "pretraining", stage="gather_pretraining", identity={}, settings={},
        inputs=[], counts={"in": 1, "out": 1},
    )  # fmt: skip
    write_records(data.parent / left_out.FILE, Overlap, [])
    texts = [" is there a rib? answer"] * 3
    train_vocabulary(texts, 20, num_codes=4, num_bins=100).save(data / "vocabulary")
    return data.parent


def make_plan(case: Case, name: str) -> dict[str, Any]:
    """The run of a case in words for a process, under a name of its own."""
    params = validate(Params, read_profile("demo"), "demo")
    section = getattr(params, case.stage)
    changes = {"steps": STEPS, "effective_batch": BATCH, "micro_batch": 3, "image_px": 32}
    changes |= {"log_every": 1, "dropout": 0.1, "drop_path": 0.1, "ema_decay": 0.9}
    changes |= {"save_every": case.save_every, **case.changes}
    data = Path("data")
    sets = [data / "examples/toy"]
    if case.stage == "pretrain":
        sets = [data / "articles", data / "codes", data / "pretraining", data / "examples/all"]
    plan = plan_run(
        params,
        case.stage,
        "debug",
        section.model_copy(update=changes),
        start_from=None,
        inputs=sets,
        out=data / "models" / name,
    )
    plan = replace(plan, device="cpu", code_px=16, checkpoints=f"data/checkpoints/{name}")
    plan.parallel["loader_workers"] = case.loader_workers
    return {"worker": f"{case.stage}_worker", "plan": asdict(plan)}


def attempt(project: Path, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[3]
    return subprocess.run(
        [sys.executable, "-m", "tests.components.training.attempt_process", json.dumps(values)],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


@pytest.fixture(scope="module")
def whole(project: Path) -> Any:
    """A function that gives the name of a case's uninterrupted run, and runs each one once."""
    made: dict[str, str] = {}

    def run(case: Case) -> str:
        kind = json.dumps([case.stage, case.save_every, case.changes])
        if kind not in made:
            made[kind] = f"whole{len(made)}"
            done = attempt(project, make_plan(case, made[kind]))
            assert done.returncode == 0, done.stderr
            assert "checkpoint" not in done.stdout
        return made[kind]

    return run


def results(project: Path, name: str) -> dict[str, Any]:
    """Hashes of the files of a run's last checkpoint, and the bytes of what it left."""
    checkpoints = (project / "data/checkpoints" / name).glob("*/*/step-*/manifest.json")
    last = max(checkpoints, key=lambda path: path.parent.name)
    manifest = json.loads(last.read_text())
    assert manifest["files"].keys() == FILES
    out = project / "data/models" / name
    log = [json.loads(line) for line in (out / LOG).read_text().splitlines()]
    assert [entry["step"] for entry in log][-1] == STEPS
    described = {file: told["sha256"] for file, told in manifest["files"].items()}
    left = {f"out/{path.name}": path.read_bytes() for path in out.iterdir()}
    return {**described, "step": manifest["step"], **left}


def differences(project: Path, one: str, other: str) -> set[str]:
    """What is not equal, bit for bit, after two runs."""
    ours, theirs = results(project, one), results(project, other)
    assert ours["step"] == theirs["step"]
    assert ours.keys() == theirs.keys()
    return {key for key in ours if ours[key] != theirs[key]}


def interrupt(project: Path, case: Case, name: str) -> dict[str, Any]:
    """Run the first attempt of a case until it is killed; returns what the next one is asked."""
    values = make_plan(case, name)
    reached = case.halve or f"step-{case.resumes_from:08d}"
    file = "optimizer.safetensors" if case.halve else "manifest.json"
    there = f"data/checkpoints/{name}/*/*/{reached}/{file}"
    killed = attempt(
        project,
        {
            **values,
            "kill": {"step": case.dies_after, "there": there},
            **({"halve": case.halve} if case.halve else {}),
        },
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (project / "data/models" / name).exists()
    return values


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_interrupted_equals_uninterrupted(project: Path, whole: Any, case: Case) -> None:
    name = case.name.replace(" ", "-")
    values = interrupt(project, case, name)
    resumed = attempt(project, values)
    assert resumed.returncode == 0, resumed.stderr
    assert f"step-{case.resumes_from:08d} is whole and loaded" in resumed.stdout
    if case.halve:
        assert f"{case.halve} is passed over: no readable manifest.json" in resumed.stdout
    assert differences(project, name, whole(case)) == set()


def test_a_resume_that_forgets_the_step_is_found(project: Path, whole: Any) -> None:
    case = CASES[0]
    values = interrupt(project, case, "forgetful")
    resumed = attempt(project, {**values, "forget": True})
    assert resumed.returncode == 0, resumed.stderr
    left = {f"out/{name}" for name in ("model.safetensors", LOG, CURVES)}
    assert differences(project, "forgetful", whole(case)) == FILES | left
