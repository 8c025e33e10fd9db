"""Checkpoints: the state of their step, whole or passed over, over attempts; and how many stay."""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from components.errors import FORMAT, UserError, refusals_told
from components.lineage import MANIFEST
from components.training import checkpoints as module
from components.training import state as state_module
from components.training.checkpoints import Checkpoints
from components.training.state import (
    Checkpoint,
    NotWholeError,
    _digest,
    read_label,
    write_checkpoint,
)

IDENTITY = {"plan": {"settings": {"learning_rate": 0.1}}, "inputs": {"a": "1"}}


def state(step: int) -> Checkpoint:
    """A state that tells its step in every part."""
    weight = torch.full((3, 4), float(step))
    tensors = {"model": {"w": weight.t(), "n": torch.tensor(step)}, "optimizer": {"w": weight + 1}}
    return Checkpoint(step, tensors, {"log": [{"step": step}], "optimizer_steps": step})


def assert_is(found: Checkpoint | None, step: int) -> None:
    wanted = state(step)
    assert found is not None
    assert (found.step, found.values) == (step, wanted.values)
    assert found.tensors.keys() == wanted.tensors.keys()
    for group, named in wanted.tensors.items():
        assert found.tensors[group].keys() == named.keys()
        for name, value in named.items():
            assert torch.equal(found.tensors[group][name], value)


def save(folder: Path, *steps: int, **settings: Any) -> Checkpoints:
    """One attempt that saves some steps."""
    with Checkpoints(folder, IDENTITY, **settings) as attempt:
        attempt.load()
        for step in steps:
            attempt.save(state(step))
    return attempt


def names(folder: Path) -> list[str]:
    """The attempts' steps, oldest attempt first."""
    return [path.name for path in sorted(folder.glob("*/*/step-*"))]


def find(folder: Path, step: int) -> Path:
    (path,) = folder.glob(f"*/*/step-{step:08d}")
    return path


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Writing that waits until it is allowed."""
    allowed = threading.Event()

    def write(*arguments: Any) -> Any:
        assert allowed.wait(20)
        return write_checkpoint(*arguments)

    monkeypatch.setattr(module, "write_checkpoint", write)
    return allowed


def test_what_is_saved_is_loaded_by_the_next_attempt(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path, IDENTITY).load() is None
    save(tmp_path, 5, 10)
    found = Checkpoints(tmp_path, IDENTITY)
    assert_is(found.load(), 10)
    assert found.passed_over == []
    files = {path.name for path in find(tmp_path, 10).iterdir()}
    assert files == {"model.safetensors", "optimizer.safetensors", "values.json", "manifest.json"}


def test_a_checkpoint_is_the_state_of_its_step_while_training_goes_on(
    tmp_path: Path, slow: threading.Event
) -> None:
    now = state(5)
    with Checkpoints(tmp_path, IDENTITY) as attempt:
        attempt.save(now)
        for value in (value for named in now.tensors.values() for value in named.values()):
            value.add_(7)
        now.values["log"].append({"step": 6})
        assert names(tmp_path) == []  # not a byte was written before training went on
        slow.set()
    assert_is(Checkpoints(tmp_path, IDENTITY).load(), 5)


def test_one_write_waits_and_a_third_holds_training(tmp_path: Path, slow: threading.Event) -> None:
    with Checkpoints(tmp_path, IDENTITY, keep_last=9) as attempt:
        attempt.save(state(1))
        attempt.save(state(2))
        third = threading.Thread(target=attempt.save, args=(state(3),))
        third.start()
        third.join(0.3)
        assert third.is_alive()
        slow.set()
        third.join(20)
        assert not third.is_alive()
    assert names(tmp_path) == ["step-00000001", "step-00000002", "step-00000003"]


def test_a_failure_of_writing_is_raised_by_the_next_save_or_at_the_end(tmp_path: Path) -> None:
    attempt = Checkpoints(tmp_path, IDENTITY)
    (tmp_path / attempt.run).write_text("a file where a folder must be")
    with pytest.raises(NotADirectoryError), attempt:
        attempt.save(state(1))
    later = Checkpoints(tmp_path, IDENTITY)
    with pytest.raises(NotADirectoryError):
        later.save(state(1))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            later.save(state(2))


def test_what_ended_the_run_is_not_hidden_by_a_failure_of_writing(tmp_path: Path) -> None:
    told: list[str] = []
    attempt = Checkpoints(tmp_path, IDENTITY, tell=told.append)
    (tmp_path / attempt.run).write_text("")
    with pytest.raises(KeyError, match="the cause"), attempt:
        attempt.save(state(1))
        raise KeyError("the cause")
    assert len(told) == 1 and "could not be written" in told[0]


@contextmanager
def no_room(num_bytes: int) -> Iterator[None]:
    """A machine that refuses files of more bytes, as a full disk refuses them."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_what_finds_no_room_is_told_and_the_one_before_stays(tmp_path: Path) -> None:
    save(tmp_path, 5)
    words = r"model\.safetensors cannot be .*\n  why:  File too large"
    with pytest.raises(UserError, match=words), refusals_told(), no_room(100):
        save(tmp_path, 10)
    assert_is(Checkpoints(tmp_path, IDENTITY).load(), 5)


def cut(name: str, num_bytes: int = 1) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-num_bytes])


def flip(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-3] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def point_elsewhere(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["../../secret"] = manifest["files"].pop("values.json")
    del manifest["sha256"]
    content = json.dumps(manifest, sort_keys=True).encode()
    manifest["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut("model.safetensors"), "model.safetensors is damaged (size or sha256 differs)"),
        (cut("values.json"), "values.json is damaged (size or sha256 differs)"),
        (flip, "model.safetensors is damaged (size or sha256 differs)"),
        (lambda folder: (folder / "optimizer.safetensors").unlink(), "optimizer.safetensors is mi"),
        (lambda folder: (folder / "manifest.json").unlink(), "no readable manifest.json (FileNot"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "no readable manifest.json"),
        (cut("manifest.json", 9), "no readable manifest.json (JSONDecodeError)"),
        (point_elsewhere, "manifest.json names files of other folders"),
    ],
)
def test_what_is_not_whole_is_passed_over_and_said_over_attempts(
    tmp_path: Path, damage: Callable[[Path], object], words: str
) -> None:
    save(tmp_path, 5)
    save(tmp_path, 10)
    damage(find(tmp_path, 10))
    told: list[str] = []
    found = Checkpoints(tmp_path, IDENTITY, tell=told.append)
    assert_is(found.load(), 5)
    (said,) = found.passed_over
    assert words in said and "step-00000010" in said and words in told[0]


def test_one_of_a_newer_package_is_passed_over_and_stays(tmp_path: Path) -> None:
    """Whoever went back to an older package by mistake has lost nothing."""
    save(tmp_path, 1, 2)
    path = find(tmp_path, 2) / MANIFEST
    told = {key: value for key, value in json.loads(path.read_bytes()).items() if key != "sha256"}
    del told[FORMAT]
    path.write_text(json.dumps({**told, FORMAT: 2, "sha256": _digest(told)}))
    kept = path.read_bytes()
    with Checkpoints(tmp_path, IDENTITY, keep_last=1) as attempt:
        assert_is(attempt.load(), 1)
        attempt.save(state(3))
    (words,) = attempt.passed_over
    assert "of format 2" in words and path.read_bytes() == kept
    assert names(tmp_path) == ["step-00000002", "step-00000003"]


def test_a_manifest_with_one_wrong_bit_is_that_of_no_checkpoint(tmp_path: Path) -> None:
    """Of another step, say: what it says of its files would still be true."""
    save(tmp_path, 5)
    path = find(tmp_path, 5) / "manifest.json"
    content = path.read_bytes()
    for place in range(len(content)):
        spoilt = bytearray(content)
        spoilt[place] ^= 1
        path.write_bytes(spoilt)
        try:
            label = read_label(path.parent)
        except NotWholeError:
            continue  # refused, as it ought to be; what is read must be what was written
        assert json.loads(spoilt) == json.loads(content), (place, label)  # a space, say


def test_a_damaged_one_does_not_count_as_kept(tmp_path: Path) -> None:
    save(tmp_path, 5, 10)
    flip(find(tmp_path, 10))
    save(tmp_path, 15)
    assert names(tmp_path) == ["step-00000005", "step-00000015"]
    shutil.rmtree(find(tmp_path, 15))
    assert_is(Checkpoints(tmp_path, IDENTITY).load(), 5)


def test_a_checkpoint_of_another_run_is_passed_over_and_stays(tmp_path: Path) -> None:
    save(tmp_path, 5)
    other = {"plan": {"settings": {"learning_rate": 0.2}}, "inputs": {"a": "1", "b": "2"}}
    found = Checkpoints(tmp_path, other)
    assert found.load() is None
    (said,) = found.passed_over
    assert said.endswith("step-00000005: made with other inputs.b, plan.settings.learning_rate")
    with found:
        found.save(state(2))
    found.drop()
    assert_is(Checkpoints(tmp_path, IDENTITY).load(), 5)


def test_attempts_write_into_folders_of_their_own(tmp_path: Path) -> None:
    first, second = (Checkpoints(tmp_path, IDENTITY, keep_last=9) for _ in range(2))
    with first, second:
        for step in (1, 2):
            first.save(state(step))
            second.save(state(step))
    assert first.attempt != second.attempt
    assert len(list(tmp_path.glob("*/*/step-*/manifest.json"))) == 4


def test_the_last_and_the_best_are_kept(tmp_path: Path) -> None:
    scores = {1: 0.5, 2: 0.3, 3: None, 4: float("nan"), 5: 0.4, 6: 0.9, 7: None}
    with Checkpoints(tmp_path, IDENTITY, keep_last=2, keep_best=2) as attempt:
        for step, score in scores.items():
            attempt.save(state(step), score)
    kept = ["step-00000002", "step-00000005", "step-00000006", "step-00000007"]
    assert names(tmp_path) == kept
    later = Checkpoints(tmp_path, IDENTITY)
    assert_is(later.load(best=True), 2)
    assert_is(later.load(), 7)
    save(tmp_path, 8, keep_last=1, keep_best=1)  # another attempt, other counts
    assert names(tmp_path) == ["step-00000002", "step-00000008"]


def test_a_step_that_is_saved_again_takes_the_place_of_the_first(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, IDENTITY, keep_best=1) as attempt:
        attempt.save(state(5))
        attempt.save(state(5), 0.5)
    assert names(tmp_path) == ["step-00000005"]
    assert_is(Checkpoints(tmp_path, IDENTITY).load(best=True), 5)


def test_what_a_killed_attempt_began_is_removed_when_the_next_has_saved(tmp_path: Path) -> None:
    save(tmp_path, 5, 10)
    (find(tmp_path, 10) / "manifest.json").unlink()
    half = find(tmp_path, 10).parents[1] / ".partial-x"
    half.mkdir()
    save(tmp_path)
    assert half.exists() and names(tmp_path) == ["step-00000005", "step-00000010"]
    save(tmp_path, 15)
    assert names(tmp_path) == ["step-00000005", "step-00000015"]
    assert not half.exists()


def test_an_attempt_removes_only_what_it_found_or_wrote(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, IDENTITY, keep_last=1) as older:
        older.load()
        save(tmp_path, 5)  # it has another machine, and nobody has told the older one
        older.save(state(1))
        older.save(state(2))
    assert sorted(names(tmp_path)) == ["step-00000002", "step-00000005"]


def test_attempts_side_by_side_clear_the_same_and_none_fails(tmp_path: Path) -> None:
    rounds, gate = 8, threading.Barrier(4)

    def go_on(folder: Path) -> None:
        with Checkpoints(folder, IDENTITY) as attempt:
            attempt.load()
            gate.wait()
            for step in (15, 20):
                attempt.save(state(step))

    for number in range(rounds):
        folder = tmp_path / str(number)
        save(folder, 5, 10)
        with ThreadPoolExecutor(gate.parties) as pool:
            list(pool.map(go_on, [folder] * gate.parties))
        assert set(names(folder)) == {"step-00000015", "step-00000020"}
        assert_is(Checkpoints(folder, IDENTITY).load(), 20)


def test_one_that_is_removed_while_it_is_read_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 5, 10)
    gone, describe = find(tmp_path, 10), state_module._describe

    def remove_first(path: Path) -> dict[str, Any]:
        if path.is_relative_to(gone):
            shutil.rmtree(gone, ignore_errors=True)
        return describe(path)

    monkeypatch.setattr(state_module, "_describe", remove_first)
    attempt = Checkpoints(tmp_path, IDENTITY)
    assert_is(attempt.load(), 5)
    assert "removed" in attempt.passed_over[0]


def test_runs_that_end_at_once_drop_their_own(tmp_path: Path) -> None:
    gate = threading.Barrier(4)

    def end(seed: int) -> None:
        with Checkpoints(folder, {"seed": seed}) as attempt:
            attempt.save(state(5))
            attempt.wait()
            gate.wait()
            attempt.drop()

    for number in range(20):
        folder = tmp_path / str(number)
        with ThreadPoolExecutor(gate.parties) as pool:
            list(pool.map(end, range(gate.parties)))
        assert not folder.exists()


def test_dropping_leaves_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    save(folder, 5)
    save(folder, 10).drop()
    assert not folder.exists()
    Checkpoints(folder, IDENTITY).drop()


def test_dropping_tells_of_no_fault_where_a_link_to_a_larger_disk_still_holds_another_run(
    tmp_path: Path,
) -> None:
    (tmp_path / "large").mkdir()
    folder = tmp_path / "run"
    folder.symlink_to("large")
    said = list[str]()
    save(folder, 5)
    Checkpoints(folder, {"seed": 2}, tell=said.append).drop()
    assert said == [] and names(folder) == ["step-00000005"]
