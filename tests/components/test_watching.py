"""A run that is watched: shown, tracked, and the same as one that is not."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from components import progress
from components.errors import UserError
from components.records import ImageRecord, read_records, write_records
from components.run_plan import RunPlan, identify
from components.runs import dispatch
from components.tracking import EVENTS, LIVE
from components.training.checkpoints import Checkpoints
from components.training.loop import LoopResult, train
from components.training.step import StepReport
from components.tuning import finetune_worker
from components.watching import watch
from tests.components.training.test_launch import EXAMPLES, plan  # noqa: F401
from tests.components.training.test_loop import StopError, TinyModel, TinySource, settings

CHECKPOINTS = Path("checkpoints")


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(trackers: list[str], stopped_at: int = 0) -> LoopResult:
    """Twelve steps with a checkpoint each fifth, watched."""
    numbers = settings(log_every=2)
    with watch(
        TinySource(),
        numbers,
        label="finetune debug",
        run="tiny",
        device="cpu",
        trackers=trackers,
        counts={"dropped": 3, "truncated": 1200},
    ) as (source, show):

        def on_step(step: int, report: StepReport) -> None:
            show(step, report)
            if step == stopped_at:
                raise StopError

        with Checkpoints(CHECKPOINTS, {}) as checkpoints:
            return train(TinyModel(), source, numbers, checkpoints=checkpoints, on_step=on_step)


def read_curve(name: str) -> list[list[str]]:
    lines = (LIVE / f"tiny/plots/metrics/{name}.tsv").read_text().splitlines()
    return [line.split("\t") for line in lines[1:]]


def test_watching_changes_nothing_in_the_log() -> None:
    plain = train(TinyModel(), TinySource(), settings(log_every=2)).log
    assert run(["dvclive", "tensorboard"]).log == plain
    assert list(EVENTS.rglob("events*"))


def test_a_run_that_was_stopped_has_each_logged_step_once() -> None:
    with pytest.raises(StopError):
        run(["dvclive"], stopped_at=9)
    assert [step for step, _ in read_curve("loss")] == ["1", "2", "4", "6", "8"]
    log = run(["dvclive"]).log  # from the checkpoint after step 5
    assert read_curve("loss") == [[str(entry["step"]), str(entry["loss"])] for entry in log]
    second = [[str(entry["step"]), str(entry["streams"]["odd"])] for entry in log]
    assert read_curve("streams/odd") == second
    assert [step for step, _ in read_curve("speed/tokens_per_s")] == [step for step, _ in second]
    assert [count for _, count in read_curve("truncated")] == ["1200"] * len(log)


def test_a_line_tells_streams_speed_and_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    run([])
    line = capsys.readouterr().out.splitlines()[5]
    told = dict(part.rsplit(" ", 1) for part in line.split(", ")[2:] if "MiB" not in part)
    assert list(told) == [
        "even", "odd", "lr", "grad norm", "tokens/s", "images/s", "wait", "MFU", "dropped",
        "truncated",
    ]  # fmt: skip
    assert told["MFU"] == "-"
    assert float(told["tokens/s"].replace(",", "")) > 0
    assert not LIVE.exists()
    assert not EVENTS.exists()


def test_a_stage_s_run_is_tracked_under_its_name(plan: RunPlan) -> None:  # noqa: F811
    dispatch(finetune_worker, replace(plan, track=["dvclive"]), workers=0)
    folder = LIVE / Path(plan.checkpoints).name
    assert folder.name == "finetune-debug"
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*.tsv")}
    assert "plots/metrics/streams/examples.tsv" in names
    assert "plots/metrics/dropped.tsv" in names


def test_who_watches_makes_no_other_run(plan: RunPlan) -> None:  # noqa: F811
    assert identify(plan) == identify(replace(plan, track=["tensorboard"]))


def test_a_set_whose_images_are_all_grey_is_not_trained_on(plan: RunPlan) -> None:  # noqa: F811
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (90, 90, 90)).save(buffer, "PNG")
    images = list(read_records(EXAMPLES / "images.parquet", ImageRecord))
    grey = [replace(image, bytes=buffer.getvalue()) for image in images]
    write_records(EXAMPLES / "images.parquet", ImageRecord, grey)
    longer = replace(plan, settings={**plan.settings, "steps": 20})
    with pytest.raises(UserError, match="none of the first 56 samples showed an image"):
        dispatch(finetune_worker, longer, workers=0)
    assert not (Path(plan.out) / "manifest.json").exists()
