"""The checkpoints of a run over all its attempts: the newest good one in, new ones out.

Every start of a run is an attempt with a folder of its own, so that two never write the same file:

    <folder>/<hash of the run's identity>/<attempt>/step-<n>/

A mirror, where there is one, holds the same names. What is saved is written to the folder and then
sent, so that training needs the mirror only where it starts.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.training.attempts import (
    NAME,
    choose_kept,
    find_differences,
    name_attempt,
    name_run,
    rank_by_score,
    rank_by_step,
)
from components.training.mirror import (
    PARTIAL,
    Mirror,
    fetch,
    fetch_label,
    group_files,
    remove,
    send,
)
from components.training.state import (
    MANIFEST,
    Checkpoint,
    Label,
    NewerCheckpointError,
    NotWholeError,
    copy_to_host,
    read_checkpoint,
    read_label,
    remove_empty,
    remove_folder,
    write_checkpoint,
)


class Checkpoints:
    """What one attempt loads and saves.

    ``identity`` is plain JSON that says what makes two runs the same run (settings, input hashes):
    a checkpoint of another run is never loaded. ``tell`` takes a line for a person.

    ``with`` it, what was saved is on disk at the end of the block. One thread writes; a write that
    failed is raised by the next ``save``, or at the end.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, Any],
        *,
        mirror: Mirror | None = None,
        keep_last: int = 2,
        keep_best: int = 0,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder, self.identity, self.mirror = folder, dict(identity), mirror
        self.keep_last, self.keep_best, self.tell = keep_last, keep_best, tell
        self.run, self.attempt = name_run(self.identity), name_attempt()
        self.passed_over: list[str] = []
        self.num_unsynced = 0  # saves since the last that the mirror holds
        self._labels: dict[str, Label] = {}  # of what is kept
        self._seen: set[str] = set()  # what this attempt found or wrote, and may remove again
        self._mirrored: dict[str, set[str]] = {}
        self._writes: deque[Future[None]] = deque()
        self._writer = ThreadPoolExecutor(1, "checkpoints")

    def load(self, *, best: bool = False) -> Checkpoint | None:
        """The newest good checkpoint of this run, or the good one with the lowest score.

        None where there is none. What had to be passed over is told, and kept in ``passed_over``.
        Raises UserError where the mirror cannot be asked: a run must not begin anew because a
        line is down.
        """
        self.wait()
        names = self._names()
        self._labels = self._read_labels(name for name in sorted(names) if self._is_own(name))
        for name in rank_by_score(self._labels) if best else rank_by_step(self._labels):
            try:
                found = self._read(name)
            except NotWholeError as fault:
                self._pass_over(name, str(fault))
                del self._labels[name]
                continue
            self.tell(f"checkpoint {name} is whole and loaded")
            return found
        self._pass_over_others(name for name in sorted(names) if not self._is_own(name))
        return None

    def save(self, checkpoint: Checkpoint, score: float | None = None) -> None:
        """Copy a checkpoint and return, while the writer writes the copy and sends it.

        Then go all but the last ``keep_last`` and the ``keep_best`` with the lowest scores. One
        write may wait for another; a third waits here. Raises what an earlier write failed with.
        """
        while len(self._writes) > 1 or (self._writes and self._writes[0].done()):
            self._writes.popleft().result()
        self._writes.append(self._writer.submit(self._write, copy_to_host(checkpoint), score))

    def wait(self) -> None:
        """Return when all that was saved is written; raises what a write failed with."""
        while self._writes:
            self._writes.popleft().result()

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.wait()
        except Exception as error:
            if kind is None:
                raise
            self.tell(f"a checkpoint could not be written: {error}")  # what ended the run is raised
        finally:
            self._writer.shutdown()
        if self.num_unsynced:
            self.tell(f"{self.num_unsynced} checkpoints unsynced at the end, on this machine alone")

    def drop(self) -> None:
        """Remove all checkpoints of this run, of every attempt; others' stay."""
        with self._leavings_told():
            remove_folder(self.folder / self.run)
            remove_empty(self.folder)
        if self.mirror is None:
            return
        with self._leavings_told():
            for name, files in group_files(self.mirror.keys()).items():
                if self._is_own(name):
                    remove(self.mirror, name, files)

    @contextmanager
    def _leavings_told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, UserError) as error:
            self.tell(f"checkpoints of a finished run were left: {error}")

    def _names(self) -> set[str]:
        """All checkpoints here and on the mirror, of this run and of others, whole or not."""
        stored = group_files(self.mirror.keys()) if self.mirror else {}
        self._mirrored = {name: files for name, files in stored.items() if NAME.fullmatch(name)}
        # unlike Path.glob, it passes over folders that another attempt removes meanwhile
        patterns = ("*/*/step-*", f"*/{PARTIAL}*")
        here = [name for one in patterns for name in glob(one, root_dir=self.folder)]  # noqa: PTH207
        self._seen = {name for name in (*here, *self._mirrored) if self._is_own(name)}
        return {*self._mirrored, *filter(NAME.fullmatch, here)}

    def _is_own(self, name: str) -> bool:
        return name.startswith(f"{self.run}/")

    def _is_mirrored(self, name: str) -> bool:
        return MANIFEST in self._mirrored.get(name, ())

    def _read_labels(self, names: Iterable[str]) -> dict[str, Label]:
        labels = {}
        for name in names:
            try:
                labels[name] = self._read_label(name)
            except NotWholeError as fault:
                self._pass_over(name, str(fault))
                if isinstance(fault, NewerCheckpointError):
                    self._seen.discard(name)  # what is not ours to read is not ours to remove
        return labels

    def _read_label(self, name: str) -> Label:
        try:
            return read_label(self.folder / name)
        except NotWholeError:
            if self.mirror is None or not self._is_mirrored(name):
                raise
            return fetch_label(self.mirror, self.folder, name)

    def _read(self, name: str) -> Checkpoint:
        """A checkpoint from here, or from the mirror where the one here is missing or damaged."""
        label = self._labels[name]
        try:
            return read_checkpoint(self.folder / name, label)
        except NotWholeError as fault:
            if self.mirror is None or not self._is_mirrored(name):
                raise
            if (self.folder / name).exists():
                self.tell(f"checkpoint {name}: {fault}; it is fetched again")
                shutil.rmtree(self.folder / name, ignore_errors=True)  # other ranks do so too
        fetch(self.mirror, self.folder, name, label)
        try:
            return read_checkpoint(self.folder / name, label)
        except NotWholeError as fault:  # the line may have done it, and not the mirror
            self.tell(f"checkpoint {name}: {fault}; it is fetched again")
            shutil.rmtree(self.folder / name, ignore_errors=True)
        fetch(self.mirror, self.folder, name, label)
        return read_checkpoint(self.folder / name, label)

    def _pass_over(self, name: str, fault: str) -> None:
        self.passed_over.append(f"{name}: {fault}")
        self.tell(f"checkpoint {name} is passed over: {fault}")

    def _pass_over_others(self, names: Iterable[str]) -> None:
        """Say in which settings or inputs checkpoints of the same name differ from this run."""
        for name, label in self._read_labels(names).items():
            keys = list(find_differences(self.identity, label.identity))
            self._pass_over(name, f"made with other {', '.join(keys)}")

    def _write(self, checkpoint: Checkpoint, score: float | None) -> None:
        name = f"{self.run}/{self.attempt}/step-{checkpoint.step:08d}"
        self._seen.add(name)
        label = write_checkpoint(self.folder / name, checkpoint, self.identity, score)
        self._mirrored.pop(name, None)  # saved again, say with a score
        labels = {**self._labels, name: label}
        kept = choose_kept(labels, self.keep_last, self.keep_best)
        self._labels = {name: labels[name] for name in kept}
        self._clear(self._seen - self._labels.keys())
        if self.mirror is not None:
            self._mirror_kept(self.mirror, kept)

    def _clear(self, spent: Iterable[str]) -> None:
        """Remove checkpoints from the folder, and the folders of attempts that then are empty."""
        paths = [path for path in map(self.folder.joinpath, spent) if path.exists()]
        for path in paths:
            remove_folder(path)
        for attempt in {path.parent for path in paths}:
            remove_empty(attempt)

    def _mirror_kept(self, mirror: Mirror, kept: list[str]) -> None:
        """Let the mirror hold what is kept, and no more; a refusal waits for the next save."""
        self.num_unsynced += 1
        try:
            for name in kept:  # the newest first: if the line holds for one only, let it be that
                if not self._is_mirrored(name):
                    self._mirrored[name] = set(self._labels[name].files)
                    send(mirror, self.folder, name, self._labels[name])
                    self._mirrored[name].add(MANIFEST)
                self.num_unsynced = 0
            for name in self._seen & self._mirrored.keys() - self._labels.keys():
                remove(mirror, name, self._mirrored[name])
                del self._mirrored[name]
        except UserError as error:
            self.tell(f"{self.num_unsynced} checkpoints unsynced: {error}")
