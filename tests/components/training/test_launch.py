"""Where the loop runs: in this process without Ray, or on two workers with the same losses."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from components.adapters import FOLDER, PROJECTIONS, WEIGHTS
from components.config import Params
from components.dataset import left_out
from components.lineage import read_manifest
from components.model.weights import load_model
from components.profiles.overlay import read_profile
from components.records import Example, ImageRecord, Overlap, read_records, write_records
from components.run_plan import RunPlan, plan_run
from components.runs import LOG, dispatch, start_model
from components.schema import validate
from components.tokenization.vocabulary import Vocabulary, train_vocabulary
from components.training.launch import Group, launch
from components.tuning import finetune_worker
from tests.components.training.ray_run import ATTEMPTS
from tests.components.training.s3_line import BUCKET, Line, line, s3_address

__all__ = ["line", "s3_address"]

EXAMPLES = Path("data/examples/toy")


def make_image(number: int) -> ImageRecord:
    pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    content = buffer.getvalue()
    name = hashlib.sha256(content).hexdigest()
    return ImageRecord(name, content, "PNG", 32, 32, "", "")


def ask_about(images: Sequence[ImageRecord]) -> list[Example]:
    """A question about each image, of three lengths, with four answers."""
    return [
        Example(
            id=str(i),
            dataset="toy",
            task="vqa",
            split="train",
            source=f" is there{' a' * (i % 3)} rib?",
            target=f" answer {i % 4}",
            prefix=" is there a rib?",
            image_id=image.id,
        )
        for i, image in enumerate(images)
    ]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunPlan:
    """A fine-tuning run of four steps from fresh weights, each of four micro-batches of two."""
    monkeypatch.chdir(tmp_path)
    images = [make_image(number) for number in range(12)]
    examples = ask_about(images)
    write_records(EXAMPLES / "examples.parquet", Example, examples)
    write_records(EXAMPLES / "images.parquet", ImageRecord, images)
    train_vocabulary([" is there a rib? answer"] * 3, 20, num_codes=4, num_bins=4).save(
        Path("data/vocabulary")
    )
    write_records(left_out.FILE, Overlap, [])
    params = validate(Params, read_profile("demo"), "demo")
    changes: dict[str, Any] = {"steps": 4, "effective_batch": 8, "micro_batch": 2, "image_px": 32}
    changes |= {"log_every": 1, "dropout": 0.1}
    settings = params.finetune.model_copy(update=changes)
    out = Path("data/models/one")
    made = plan_run(
        params, "finetune", "debug", settings, start_from=None, inputs=[EXAMPLES], out=out
    )
    return replace(made, device="cpu")


def read_log(plan: RunPlan) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(plan.out) / LOG).read_text().splitlines()]


def test_no_workers_means_this_process_and_no_ray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # importing it now fails
    calls: list[tuple[int, dict[str, Any]]] = []
    launch(
        lambda settings: calls.append((os.getpid(), settings)),
        {"number": 1},
        group=Group(0),
        device="cpu",
        storage=str(tmp_path / "storage"),
        name="run",
    )
    assert calls == [(os.getpid(), {"number": 1})]
    assert not (tmp_path / "storage").exists()


def test_what_a_worker_raises_is_raised_here(tmp_path: Path) -> None:
    def fail(_: dict[str, Any]) -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        launch(fail, {}, group=Group(0), device="cpu", storage=str(tmp_path), name="run")


def test_a_run_leaves_a_product_and_no_checkpoints(plan: RunPlan) -> None:
    dispatch(finetune_worker, plan, workers=0)
    log, manifest = read_log(plan), read_manifest(Path(plan.out))
    assert [entry["step"] for entry in log] == [1, 2, 3, 4]
    assert manifest["settings"]["steps"] == 4
    assert manifest["notes"]["left_out"] == 0
    assert {"model.safetensors", "config.json", LOG} <= manifest["files"].keys()
    assert not Path(plan.checkpoints).exists()


def test_what_is_left_out_is_not_learnt_and_is_counted(
    plan: RunPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = [e for e in read_records(EXAMPLES / "examples.parquet", Example) if e.id != "3"]
    row = Overlap("same_text", "held", "held/1", "toy", "3", "", "equal")
    write_records(left_out.FILE, Overlap, [row])
    dispatch(finetune_worker, plan, workers=0)
    assert "1 of 12 training examples are left out by audit.drop" in capsys.readouterr().out
    assert read_manifest(Path(plan.out))["notes"]["left_out"] == 1
    write_records(left_out.FILE, Overlap, [])
    write_records(EXAMPLES / "examples.parquet", Example, kept)
    without = replace(plan, out="data/models/without", checkpoints="data/checkpoints/without")
    finetune_worker(asdict(without))
    assert read_log(without) == read_log(plan)


def dispatch_on_two(
    plan: RunPlan, repository: Path, home: Path, trouble: str = "nothing"
) -> subprocess.CompletedProcess[str]:
    """The run on two workers, from a process of its own: Ray ends with it."""
    environment = {**os.environ, "PYTHONPATH": str(repository), "HOME": str(home)}
    module = "tests.components.training.ray_run"
    return subprocess.run(
        [sys.executable, "-m", module, json.dumps(asdict(plan)), "2", trouble],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=850,
    )


def attempts() -> list[tuple[str, ...]]:
    """Rank, world and newest checkpoint of each start of a worker."""
    return sorted(tuple(line.split()) for line in ATTEMPTS.read_text().splitlines())


@pytest.mark.services
def test_two_workers_learn_what_one_process_learns(
    plan: RunPlan, repository: Path, tmp_path: Path
) -> None:
    dispatch(finetune_worker, plan, workers=0)
    two = replace(plan, out="data/models/two", checkpoints="data/checkpoints/two")
    done = dispatch_on_two(two, repository, tmp_path / "home")
    assert done.returncode == 0, done.stdout + done.stderr
    for mine, other in zip(read_log(plan), read_log(two), strict=True):
        assert mine["step"] == other["step"]
        assert mine["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert mine["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-3)
    ours, theirs = (load_file(Path(p.out) / "model.safetensors") for p in (plan, two))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if "running" not in name and "num_batches" not in name:  # averaged, not run through
            torch.testing.assert_close(value, theirs[name], atol=1e-3, rtol=1e-3, msg=name)
    assert read_manifest(Path(two.out))["settings"] == read_manifest(Path(plan.out))["settings"]


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.timeout(900)
@pytest.mark.xdist_group("ranks")
def test_workers_keep_checkpoints_and_ray_its_state_in_a_bucket(
    plan: RunPlan, repository: Path, tmp_path: Path, line: Line
) -> None:
    longer = {**plan.settings, "steps": 6, "save_every": 2}
    two = replace(plan, checkpoints=f"s3://{BUCKET}/project/two", settings=longer)
    done = dispatch_on_two(two, repository, tmp_path / "home")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [entry["step"] for entry in read_log(two)] == [1, 2, 3, 4, 5, 6]
    put = [asked.split("?")[0] for asked in line.asked if asked.startswith("PUT")]
    saved = {key.split("/")[-2] for key in put if key.endswith("manifest.json")}
    assert {"step-00000002", "step-00000004"} <= saved
    assert not any("/two/" in f"/{key}" for key in line.held())  # a finished run needs none
    assert any(key.startswith("project/ray/") for key in line.held())


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.timeout(900)
@pytest.mark.xdist_group("ranks")
@pytest.mark.parametrize(("trouble", "fewest", "left"), [("worker", 0, "2"), ("node", 1, "1")])
def test_a_run_survives_a_dead_worker_and_a_lost_node(
    trouble: str, fewest: int, left: str, plan: RunPlan, repository: Path, tmp_path: Path
) -> None:
    long = replace(
        plan,
        settings={**plan.settings, "steps": 12, "save_every": 2},
        parallel={**plan.parallel, "max_failures": 2, "min_workers": fewest},
    )
    dispatch(finetune_worker, long, workers=0)
    two = replace(long, out="data/models/two", checkpoints="data/checkpoints/two")
    done = dispatch_on_two(two, repository, tmp_path / "home", trouble)
    assert done.returncode == 0, done.stdout + done.stderr
    started = attempts()
    assert [a[:2] for a in started if a[2] == "none"] == [("0", "2"), ("1", "2")]
    assert {a[1] for a in started if a[2] != "none"} == {left}
    for mine, other in zip(read_log(long), read_log(two), strict=True):
        assert mine["loss"] == pytest.approx(other["loss"], rel=1e-2), mine["step"]


@pytest.mark.slow
@pytest.mark.services
def test_a_worker_s_own_words_reach_the_person(
    plan: RunPlan, repository: Path, tmp_path: Path
) -> None:
    (EXAMPLES / "examples.parquet").unlink()
    done = dispatch_on_two(plan, repository, tmp_path / "home")
    assert done.returncode == 2, done.stdout + done.stderr
    missing = EXAMPLES / "examples.parquet"
    assert f"error: {missing} is missing" in done.stderr.splitlines(), done.stderr
    assert not (Path(plan.out) / "manifest.json").exists()
    assert plan.parallel["max_failures"] > 0
    assert len(attempts()) == 2, "what cannot succeed was tried again"


def test_adapters_leave_an_ordinary_model_and_their_own_file(plan: RunPlan) -> None:
    tuned = replace(plan, settings={**plan.settings, "lora_rank": 2})
    start = start_model(plan, Vocabulary.load(Path(plan.vocabulary))).state_dict()
    finetune_worker(asdict(tuned))
    model = load_model(Path(plan.out)).state_dict()
    assert model.keys() == start.keys()
    changed = {name for name, value in model.items() if not torch.equal(value, start[name])}
    assert changed and {name.split(".")[-2] for name in changed} <= set(PROJECTIONS)
    assert not any("lora" in name for name in model)
    assert load_file(Path(plan.out) / FOLDER / WEIGHTS)


def test_a_frozen_trunk_keeps_weights_and_statistics(plan: RunPlan) -> None:
    start = start_model(plan, Vocabulary.load(Path(plan.vocabulary))).state_dict()
    finetune_worker(asdict(replace(plan, settings={**plan.settings, "freeze_trunk": True})))
    model = load_model(Path(plan.out)).state_dict()
    trunk = {name for name in start if name.startswith("encoder.embed_images.")}
    assert all(torch.equal(model[name], start[name]) for name in trunk)
    assert not torch.equal(model["encoder.image_proj.weight"], start["encoder.image_proj.weight"])
