"""Batches made ahead of the loop, by worker processes; the order stays a function of the step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch.utils.data import DataLoader, Dataset

from components.errors import UserError
from components.training.loop import BatchSource
from components.training.objective import Batch
from components.training.step import Parts

SIGNAL_S = 0.5  # that the signal of a child's death may take


class StepLoader:
    """The parts of each step on the run's device.

    ``workers`` processes make the steps to come, as many as each of them holds two; with 0 the
    loop waits for every batch. Any step may be asked for, at the price of beginning anew; those
    that follow each other are ready. What a worker raises is raised here.
    """

    def __init__(self, source: BatchSource, last_step: int, *, workers: int, device: str) -> None:
        self.part_names, self.stream_names = source.part_names, source.stream_names
        self.source, self.last_step = source, last_step
        self.workers, self.device = workers, device
        self._made: Iterator[Parts | UserError] = iter(())
        self._next = 0

    def parts(self, step: int) -> list[list[Batch]]:
        """The parts of a step (counted from 1)."""
        if self.workers == 0:
            made: Parts | UserError = self.source.parts(step)
        else:
            if step != self._next:
                self._made = self._begin(step)
            made, self._next = self._take(), step + 1
        if isinstance(made, UserError):
            raise made
        return [[batch.to(self.device) for batch in part] for part in made]

    def _take(self) -> Parts | UserError:
        """The next step's; RuntimeError, as torch has it, where a worker died handing it over."""
        try:
            return next(self._made)
        except (ConnectionError, EOFError) as lost:
            if str(lost).startswith("Caught"):  # torch's word for what a worker itself raised
                raise
            time.sleep(SIGNAL_S)  # torch raises at the signal of its death: here, not anywhere
            raise RuntimeError(f"DataLoader worker is gone ({lost!r}).") from lost

    def _begin(self, step: int) -> Iterator[Parts | UserError]:
        steps = _Steps(self.source, range(step, self.last_step + 1))
        return iter(
            DataLoader(
                steps,
                batch_size=None,
                num_workers=self.workers,
                pin_memory=self.device.startswith("cuda"),
                multiprocessing_context="fork",  # what the source holds is shared, not copied
                worker_init_fn=_settle_worker,
            )
        )


@contextmanager
def deaths_told() -> Iterator[None]:
    """Turn a worker's death, which torch raises wherever the loop happens to be, into UserError."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise UserError(
            "a process that makes batches was killed",
            why=f"{str(error).strip()} Machines that are short of memory do so",
            next_command="the same command, which goes on after the last checkpoint; where memory "
            "is short, with fewer compute.loader_workers in params.yaml",
        ) from None


class _Steps(Dataset):  # type: ignore[type-arg]  # of parts or what went wrong
    def __init__(self, source: BatchSource, steps: Sequence[int]) -> None:
        self.source, self.steps = source, steps

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: int) -> Parts | UserError:
        try:
            return self.source.parts(self.steps[index])
        except UserError as error:
            return error  # raised by the loader as it is, not in a report of a worker


def _settle_worker(_: int) -> None:
    torch.set_num_threads(1)
