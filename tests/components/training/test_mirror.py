"""Checkpoints in a bucket: they arrive whole, faults of the server pass, refusals are told."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from components import checkpoint_places
from components.checkpoint_places import BucketMirror, open_checkpoints
from components.errors import UserError
from components.training.checkpoints import Checkpoints
from components.training.state import Checkpoint
from tests.components.training.s3_line import BUCKET, Line, line, s3_address
from tests.components.training.test_checkpoints import IDENTITY, assert_is, names, state

__all__ = ["line", "s3_address"]
pytestmark = pytest.mark.services
ADDRESS = f"s3://{BUCKET}/some/prefix/run"
FILES = ["manifest.json", "model.safetensors", "optimizer.safetensors", "values.json"]


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(told: list[str] | None = None, **settings: Any) -> Checkpoints:
    """An attempt on this machine."""
    told = [] if told is None else told
    values = {"keep_last": 2, "keep_best": 0, "tell": told.append, **settings}
    attempt = open_checkpoints(ADDRESS, IDENTITY, **values)
    attempt.load()
    return attempt


def save(*steps: int) -> None:
    with start() as attempt:
        for step in steps:
            attempt.save(state(step))


def on_another_machine() -> None:
    """Forget what is on this one."""
    shutil.rmtree(checkpoint_places.HERE)


def stored(line: Line) -> list[str]:
    """Step and file of what the bucket holds."""
    return ["/".join(key.split("/")[-2:]) for key in line.held()]


def whole(*steps: int) -> list[str]:
    return [f"step-{step:08d}/{file}" for step in steps for file in FILES]


def few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up a request after two, so that a test of a dead server takes a second."""
    defaults = {"endpoint": "", "attempts": 2, "timeout_s": 5.0}
    monkeypatch.setattr(BucketMirror.__init__, "__kwdefaults__", defaults)


def test_another_machine_goes_on_from_the_bucket(line: Line) -> None:
    save(5, 10, 15)
    assert stored(line) == whole(10, 15)
    assert all(key.startswith("some/prefix/run/") for key in line.held())
    on_another_machine()
    with start() as attempt:
        assert_is(attempt.load(), 15)
        attempt.save(state(20))
    assert sorted(stored(line)) == whole(15, 20)
    assert names(checkpoint_places.HERE / "run") == ["step-00000015", "step-00000020"]


def test_the_manifest_goes_last(line: Line) -> None:
    save(5)
    written = [asked.rsplit("/", 1)[1] for asked in line.asked if asked.startswith("PUT")]
    assert sorted(written) == FILES and written[-1] == "manifest.json"


def test_a_server_that_is_busy_is_asked_again(line: Line) -> None:
    for status in (500, 503):
        line.fail(status, "PUT", "model.safetensors", times=1)
    line.fail(503, "PUT", "manifest.json", times=1)
    told: list[str] = []
    with start(told) as attempt:
        attempt.save(state(5))
    assert (attempt.num_unsynced, told) == (0, [])
    assert len([asked for asked in line.asked if asked.endswith("model.safetensors")]) == 3
    assert stored(line) == whole(5)


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "values.json"])
def test_what_the_line_damaged_once_is_fetched_again(line: Line, file: str) -> None:
    save(5, 10)
    on_another_machine()
    line.flip(f"step-00000010/{file}")
    told: list[str] = []
    with start(told, keep_last=2) as attempt:
        assert_is(attempt.load(), 10)
    assert any("it is fetched again" in words for words in told)
    assert attempt.passed_over == []


def test_training_goes_on_without_the_server_and_says_how_many_wait(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_attempts(monkeypatch)
    told: list[str] = []
    with start(told, keep_last=3) as attempt:
        line.fail(503, "PUT")
        for number, step in enumerate((5, 10), 1):
            attempt.save(state(step))
            attempt.wait()
            assert attempt.num_unsynced == number
            assert told[-1].startswith(f"{number} checkpoints unsynced: {ADDRESS}/")
            assert "503 SlowDown" in told[-1]
        line.faults.clear()
        attempt.save(state(15))
        attempt.wait()
        assert attempt.num_unsynced == 0
    assert stored(line) == whole(5, 10, 15)  # what waited was sent as well
    assert len(told) == 2


def test_what_never_arrived_is_said_at_the_end(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    few_attempts(monkeypatch)
    told: list[str] = []
    with start(told) as attempt:
        line.fail(500, "PUT")
        attempt.save(state(5))
    assert told[-1] == "1 checkpoints unsynced at the end, on this machine alone"
    assert_is(start().load(), 5)


def test_a_refusal_is_asked_for_once_a_save_and_says_what_to_do(line: Line) -> None:
    told: list[str] = []
    with start(told) as attempt:
        line.asked.clear()
        line.fail(403, "PUT")
        for step in (5, 10):
            attempt.save(state(step))
    assert len(line.asked) == 2
    assert attempt.num_unsynced == 2
    assert "403 AccessDenied" in told[0] and "s3:PutObject" in told[0]
    assert_is(start().load(), 10)


@pytest.mark.parametrize(
    ("status", "words"), [(403, "AWS_PROFILE"), (503, "whether the server can be reached")]
)
def test_a_run_does_not_begin_anew_because_it_cannot_ask(
    line: Line, monkeypatch: pytest.MonkeyPatch, status: int, words: str
) -> None:
    few_attempts(monkeypatch)
    line.fail(status, "GET")
    with pytest.raises(UserError, match=f"{ADDRESS} could not be listed") as caught:
        start()
    assert str(status) in caught.value.why and words in caught.value.next_command


def test_no_bucket_and_no_credentials_are_told_before_training(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="could not be listed") as caught:
        open_checkpoints(
            "s3://no-such-bucket/run", IDENTITY, keep_last=1, keep_best=0, tell=print
        ).load()
    assert "404 NoSuchBucket" in caught.value.why
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(UserError) as caught:
        start()
    assert "NoCredentialsError" in caught.value.why
    assert "AWS_ACCESS_KEY_ID" in caught.value.next_command


def test_what_is_half_sent_or_damaged_in_the_bucket_is_passed_over(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_attempts(monkeypatch)
    with start(keep_last=3) as attempt:
        attempt.save(state(5))
        attempt.save(state(10))
        attempt.wait()
        line.fail(503, "PUT", "values.json")
        attempt.save(state(15))
    line.faults.clear()
    assert stored(line) == [*whole(5, 10), *whole(15)[1:3]]
    (damaged,) = (key for key in line.held() if key.endswith("00000010/model.safetensors"))
    line.client.put_object(Bucket=BUCKET, Key=damaged, Body=b"other")
    on_another_machine()
    attempt = open_checkpoints(ADDRESS, IDENTITY, keep_last=1, keep_best=0, tell=print)
    assert_is(attempt.load(), 5)
    assert [fault.split("/")[-1] for fault in attempt.passed_over] == [
        "step-00000015: no readable manifest.json (FileNotFoundError)",
        "step-00000010: model.safetensors is damaged (size or sha256 differs)",
    ]
    with attempt:
        attempt.save(state(20))
    assert stored(line) == whole(20)  # with it, what was amiss is gone


def test_what_is_damaged_here_is_fetched_again(line: Line) -> None:
    save(5)
    for file in ("model.safetensors", "manifest.json"):
        (path,) = checkpoint_places.HERE.glob(f"run/*/*/step-00000005/{file}")
        path.write_bytes(b"{}")
        told: list[str] = []
        attempt = open_checkpoints(ADDRESS, IDENTITY, keep_last=1, keep_best=0, tell=told.append)
        assert_is(attempt.load(), 5)
        assert attempt.passed_over == []
        assert len(told) == 1 + (file == "model.safetensors")


def test_the_best_of_the_bucket_stays_though_it_is_not_here(line: Line) -> None:
    with start(keep_best=1) as attempt:
        for step, score in ((5, 0.1), (10, 0.2), (15, 0.3)):
            attempt.save(state(step), score)
    on_another_machine()
    with start(keep_best=1) as attempt:
        assert_is(attempt.load(best=True), 5)
        for step in (20, 25):
            attempt.save(state(step), 0.4)
    assert sorted(stored(line)) == whole(5, 20, 25)


def test_a_finished_run_leaves_others_in_the_bucket(line: Line) -> None:
    save(5)
    other = {**IDENTITY, "inputs": {"a": "2"}}
    attempt = open_checkpoints(ADDRESS, other, keep_last=1, keep_best=0, tell=print)
    assert attempt.load() is None
    assert attempt.passed_over[0].endswith("made with other inputs.a")
    with attempt:
        attempt.save(state(7))
    attempt.drop()
    assert stored(line) == whole(5)
    start().drop()
    assert line.held() == []
    assert not (checkpoint_places.HERE / "run").exists()


def test_what_cannot_be_removed_here_keeps_nothing_in_the_bucket(line: Line, machine: Path) -> None:
    save(5, 10)
    (checkpoint_places.HERE / "run").rename(machine / "large")
    (checkpoint_places.HERE / "run").symlink_to(machine / "large")  # which rmdir does not take
    told: list[str] = []
    start(told).drop()
    assert line.held() == [] and list((machine / "large").iterdir()) == []
    assert "checkpoints of a finished run were left" in told[-1]


def test_a_large_file_travels_in_parts(line: Line) -> None:
    tensors = {"model": {"w": torch.arange(5_000_000, dtype=torch.float32)}}
    line.fail(503, "PUT", "model.safetensors", times=1)  # one part of it
    with start() as attempt:
        attempt.save(Checkpoint(3, tensors, {}))
    assert len([asked for asked in line.asked if asked.startswith("POST")]) == 2
    on_another_machine()
    attempt = open_checkpoints(ADDRESS, IDENTITY, keep_last=1, keep_best=0, tell=print)
    found = attempt.load()
    assert found is not None and torch.equal(found.tensors["model"]["w"], tensors["model"]["w"])
