"""A second place for checkpoints, such as a bucket: what the loop asks of it, and no more."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from components.training.state import MANIFEST, Label, read_label

PARTIAL = ".partial-"  # folders of what is being fetched


class Mirror(Protocol):
    """Files by key. Each method raises UserError, with what to do, where the place refuses."""

    def keys(self) -> list[str]:
        """The keys of all files."""
        ...

    def upload(self, file: Path, key: str) -> None:
        """Store a file; whoever reads the key sees all of it or nothing."""
        ...

    def download(self, key: str, file: Path) -> None:
        """Fetch what is stored under a key."""
        ...

    def remove(self, key: str) -> None:
        """Remove what is stored under a key."""
        ...


def group_files(keys: Iterable[str]) -> dict[str, set[str]]:
    """The names of files by the name of the checkpoint that they belong to."""
    files: dict[str, set[str]] = {}
    for key in keys:
        name, _, file = key.rpartition("/")
        files.setdefault(name, set()).add(file)
    return files


def send(mirror: Mirror, folder: Path, name: str, label: Label) -> None:
    """Store a whole checkpoint, the manifest last."""
    for file in (*label.files, MANIFEST):
        mirror.upload(folder / name / file, f"{name}/{file}")


def fetch_label(mirror: Mirror, folder: Path, name: str) -> Label:
    """The label of a stored checkpoint, as ``read_label``."""
    with _partial(folder / name) as partial:
        mirror.download(f"{name}/{MANIFEST}", partial / MANIFEST)
        return read_label(partial)


def fetch(mirror: Mirror, folder: Path, name: str, label: Label) -> None:
    """Bring a stored checkpoint to ``folder/name``, in one move when all of it is here.

    Ranks of one machine may do so side by side: the first one's copy stays.
    """
    with _partial(folder / name) as partial:
        for file in (*label.files, MANIFEST):
            mirror.download(f"{name}/{file}", partial / file)
        (folder / name).parent.mkdir(exist_ok=True)
        try:
            partial.rename(folder / name)
        except OSError:
            if not (folder / name / MANIFEST).is_file():
                raise


def remove(mirror: Mirror, name: str, files: Iterable[str]) -> None:
    """Remove a stored checkpoint, the manifest first."""
    for file in sorted(files, key=lambda file: (file != MANIFEST, file)):
        mirror.remove(f"{name}/{file}")


@contextmanager
def _partial(final: Path) -> Iterator[Path]:
    """A folder beside those of the attempts, gone at the end unless it was moved."""
    run = final.parents[1]
    run.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=run))
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
