"""Checkpoints of a run that a bucket mirrors: saved, and loaded on another machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path

from components.checkpoint_places import HERE, open_checkpoints
from components.storage import ENDPOINTS
from components.training.checkpoints import Checkpoints
from components.training.state import NotWholeError, read_checkpoint, read_label
from tests.chaos.s3_errands import Errand
from tests.components.training.s3_line import Line
from tests.components.training.test_checkpoints import IDENTITY, assert_is, state

STEPS = 5


@contextmanager
def past_the_line(line: Line) -> Iterator[None]:
    """Ask the server itself."""
    os.environ[ENDPOINTS[0]] = line.client.meta.endpoint_url
    try:
        yield
    finally:
        os.environ[ENDPOINTS[0]] = line.address


class Mirror(Errand):
    """Save checkpoints that a bucket mirrors."""

    def start(self, told: list[str]) -> Checkpoints:
        """An attempt."""
        return open_checkpoints(
            f"{self.address()}/run", IDENTITY, keep_last=2, keep_best=0, tell=told.append
        )

    def do(self) -> str:
        """Train on for a few steps, and save twice."""
        told = list[str]()
        with chdir(self.folder), self.start(told) as attempt:
            found = attempt.load()
            self.last = found.step if found else 0
            for _ in range(2):
                self.last += STEPS
                attempt.save(state(self.last))
        return "" if attempt.num_unsynced == 0 else told[-1]

    def look(self) -> tuple[int, list[str]]:
        """The step that another machine would go on from, and what it would pass over."""
        other = self.folder / "other"
        shutil.rmtree(other, ignore_errors=True)
        other.mkdir()
        with chdir(other), past_the_line(self.line), self.start([]) as attempt:
            found = attempt.load()
            if found:
                assert_is(found, found.step)
        return (found.step if found else 0), attempt.passed_over

    def list_amiss(self) -> Iterator[str]:
        """What another machine takes for a checkpoint, and finds that it is none."""
        held = self.held()
        for words in self.look()[1]:
            name = words.partition(":")[0]
            if f"run/{name}/manifest.json" in held:  # without one, it is on its way
                yield f"{words}, though it has its manifest"

    def list_wanting(self) -> Iterator[str]:
        """Whether another machine goes on from the last step."""
        yield from self.list_amiss()
        step = self.look()[0]
        if step != self.last:
            yield f"another machine goes on from {step}, not {self.last}"


class Load(Mirror):
    """Go on from a bucket's checkpoints on a machine that has none."""

    def __init__(self, line: Line, bucket: str, folder: Path, saved: Mirror) -> None:
        super().__init__(line, bucket, folder)
        saved.begin()
        saved.do()
        self.saved, self.wanted, self.found = saved.prefix, saved.last, 0

    def begin(self) -> None:
        """A machine that has none."""
        super().begin()
        self.prefix = self.saved

    def do(self) -> str:
        """Load the newest."""
        told = list[str]()
        with chdir(self.folder), self.start(told) as attempt:
            found = attempt.load()
        self.found = found.step if found else 0
        return "" if self.found == self.wanted else f"{told}"

    def list_amiss(self) -> Iterator[str]:
        """What was fetched, is taken for a checkpoint, and is another."""
        for path in (self.folder / HERE).rglob("step-*"):
            with suppress(NotWholeError):  # it is known to be none, and fetched again
                try:
                    assert_is(read_checkpoint(path, read_label(path)), int(path.name[5:]))
                except AssertionError:
                    yield f"{path.name} here is another"

    def list_wanting(self) -> Iterator[str]:
        """Whether it is the newest."""
        yield from self.list_amiss()
        if self.found != self.wanted:
            yield f"it goes on from {self.found}, not {self.wanted}"
