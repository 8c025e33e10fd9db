"""Batches made ahead are those that the loop would have made itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

from components.errors import UserError
from components.training.checkpoints import Checkpoints
from components.training.loader import StepLoader, deaths_told
from components.training.loop import train
from components.training.step import Parts
from tests.components.training.test_loop import StopError, TinyModel, TinySource, settings, stop_at


class Telling(TinySource):
    """Says in which process a batch was made, by its weights; fails where it is told to."""

    def __init__(self, fail_at: int = 0) -> None:
        super().__init__()
        self.fail_at = fail_at

    def parts(self, step: int) -> Parts:
        if step == self.fail_at:
            raise UserError(f"image {step} cannot be read", next_command="dvc repro prepare")
        made = super().parts(step)
        for part in made:
            for batch in part:
                batch.weight_B = torch.full_like(batch.weight_B, os.getpid(), dtype=torch.float64)
        return made


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_change_nothing(workers: int) -> None:
    plain, ahead = TinyModel(), TinyModel()
    expected = train(plain, TinySource(), settings())
    loader = StepLoader(TinySource(), 12, workers=workers, device="cpu")
    assert train(ahead, loader, settings()).log == expected.log
    for name, value in plain.state_dict().items():
        assert torch.equal(value, ahead.state_dict()[name]), name


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_asks_for_its_own_steps(tmp_path: Path, workers: int) -> None:
    def source() -> StepLoader:
        return StepLoader(TinySource(), 12, workers=workers, device="cpu")

    whole, broken, resumed = TinyModel(), TinyModel(), TinyModel()
    expected = train(whole, TinySource(), settings())
    with pytest.raises(StopError), Checkpoints(tmp_path, {}) as first:
        train(broken, source(), settings(), checkpoints=first, on_step=stop_at(7))
    with Checkpoints(tmp_path, {}) as second:
        result = train(resumed, source(), settings(), checkpoints=second)
    assert (result.resumed_from, result.log) == (5, expected.log)


def test_workers_are_processes_of_their_own_and_any_step_may_follow() -> None:
    loader = StepLoader(Telling(), 9, workers=2, device="cpu")
    makers = set()
    for step in (1, 2, 3, 7, 8, 2):
        expected = TinySource().parts(step)
        for part, same in zip(loader.parts(step), expected, strict=True):
            for batch, other in zip(part, same, strict=True):
                assert torch.equal(batch.source_BS, other.source_BS)
                makers.add(int(batch.weight_B[0]))
    assert os.getpid() not in makers and len(makers) >= 2


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_worker_cannot_read_is_told_as_it_is(workers: int) -> None:
    loader = StepLoader(Telling(fail_at=3), 9, workers=workers, device="cpu")
    loader.parts(1), loader.parts(2)
    with pytest.raises(UserError, match=r"^image 3 cannot be read\n  next: dvc repro prepare$"):
        loader.parts(3)


def _raise(fault: Exception) -> Parts:
    raise fault


def test_a_worker_that_was_killed_is_told_with_what_to_do() -> None:
    class Dying(TinySource):
        def parts(self, step: int) -> Parts:
            if step == 4:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().parts(step)

    loader = StepLoader(Dying(), 9, workers=1, device="cpu")
    with pytest.raises(UserError, match="makes batches was killed") as caught, deaths_told():
        for step in range(1, 10):
            loader.parts(step)
    assert "loader_workers" in caught.value.next_command
    for fault in (ConnectionResetError(104, "reset"), EOFError()):  # while it hands over a batch
        loader._made, loader._next = map(_raise, [fault]), 5
        with pytest.raises(UserError, match="makes batches was killed"), deaths_told():
            loader.parts(5)
    loader._made = map(_raise, [EOFError("Caught EOFError in DataLoader worker process 0.")])
    with pytest.raises(EOFError, match="Caught"), deaths_told():
        loader.parts(5)
    with pytest.raises(RuntimeError, match="another"), deaths_told():
        raise RuntimeError("another fault")
