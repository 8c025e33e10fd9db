"""Some hundred changed files for each reader; `python -m tests.fuzz.run` tries as many as asked."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from components.errors import UserError
from components.readers.registry import READERS
from tests.fuzz.contract import Breach, hold, watch_files
from tests.fuzz.mutation import LONGEST, mutate
from tests.fuzz.run import make_case, run_apart, run_here
from tests.fuzz.seeds import Seed, draw_images
from tests.fuzz.targets import TABLE, TARGETS, Target

DEADLY = (b"live", b"live", b"live", b"die")
CASES = 200
SLOW = {"checkpoint.own": 20, "checkpoint.port": 20, "params": 50, "medline": 50, "prepare": 50}


@pytest.fixture(scope="module", autouse=True)
def watched() -> None:
    watch_files()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TARGETS)
def test_a_changed_file_gives_a_result_or_the_documented_error(tmp_path: Path, name: str) -> None:
    num_cases = SLOW.get(name, CASES)
    counts, breaches = run_here(TARGETS[name], 0, num_cases, 1, tmp_path)
    assert breaches == []
    assert sum(counts.values()) == num_cases


def test_every_reader_is_a_target_with_a_source_to_change() -> None:
    assert {f"reader.{name}" for name in READERS} <= TARGETS.keys()
    assert len({target.name for target in TABLE}) == len(TABLE)


def test_a_case_is_the_same_each_time_and_another_for_each_number_and_seed() -> None:
    target = TARGETS["images"]
    seeds = target.make_seeds()
    made = [make_case(target, seeds, seed, n)[2] for seed, n in ((1, 5), (1, 5), (1, 6), (2, 5))]
    assert made[0] == made[1] and len({*made}) == 3


def test_changes_are_many_and_none_grows_without_end() -> None:
    begun = draw_images()[0]
    content = begun.files[begun.name]
    made = {mutate(Random(n), begun.name, content) for n in range(300)}
    assert len(made) > 200 and max(map(len, made)) <= LONGEST


def _raise(error: Exception) -> None:
    raise error


def _work_for_ever() -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda _: _raise(IndexError()), "IndexError"),
        (lambda _: _raise(UserError("")), "silent"),
        (lambda folder: (folder / "elsewhere").touch(), "outside"),
        (lambda _: _work_for_ever(), "_TooLong"),
    ],
    ids=["another-error", "an-error-without-words", "a-file-elsewhere", "no-end"],
)
def test_what_breaks_the_contract_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[Path], None], kind: str
) -> None:
    monkeypatch.setattr("tests.fuzz.contract.CPU_S", 0.2)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    own = tmp_path / "own"
    own.mkdir()
    found = hold(lambda: call(tmp_path), (UserError,), own)
    assert isinstance(found, Breach) and found.kind == kind


def test_what_keeps_it_is_a_result_or_refused(tmp_path: Path) -> None:
    def refuse() -> None:
        raise UserError("it is none")

    assert hold(tmp_path.joinpath("x").touch, (UserError,), tmp_path) == "result"
    assert hold(refuse, (UserError,), tmp_path) == "refused"


def _die(folder: Path, _seed: Seed) -> None:
    if b"die" in (folder / "a.txt").read_bytes():
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_case_that_ends_its_process_is_named_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a fault of a decoder in C does."""
    seed = Seed("a", {"a.txt": b"live"}, ("a.txt",))
    fatal = Target("fatal", lambda: [seed], _die)
    monkeypatch.setattr("tests.fuzz.run.mutate", lambda random, *_: random.choice(DEADLY))
    found = run_apart(fatal, 20, 1)
    (breach,) = found["breaches"]  # type: ignore[misc]
    assert breach["kind"] == "signal 9"  # type: ignore[index]
    assert found["result"] + breach["times"] == 20 and found["result"] > 0  # type: ignore[index, operator]
