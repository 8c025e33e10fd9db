"""One checkpoint in one folder: safetensors and json, whole or not a checkpoint.

``manifest.json`` holds size and sha256 of every other file, and of what it says itself, and is
written last, so that what was broken off has none and what was damaged does not agree with it.
"""

from __future__ import annotations

import copy
import errno
import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from components.errors import FORMAT, NewerFormatError, UserError, check_format
from components.model.weights import write_tensors

MANIFEST, VALUES = "manifest.json", "values.json"


class NotWholeError(Exception):
    """A folder does not hold a whole checkpoint; the message says what is amiss."""


class NewerCheckpointError(NotWholeError):
    """A newer package wrote the checkpoint, and can read it."""


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on after a step: tensors by group, and plain values.

    There is no state of a schedule, of a loader or of random numbers in it: all of these follow
    from the settings and the step.
    """

    step: int
    tensors: dict[str, dict[str, Tensor]]
    values: dict[str, Any]


@dataclass(frozen=True)
class Label:
    """What a manifest tells of a checkpoint: enough to choose one, and to know its files."""

    step: int
    score: float | None
    identity: dict[str, Any]
    files: dict[str, dict[str, Any]]


def copy_to_host(checkpoint: Checkpoint) -> Checkpoint:
    """A copy in this machine's memory that further training does not touch.

    Of lists among the values a copy one level deep: logs get entries, and none is changed.
    """
    tensors = {
        group: {
            name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
            for name, value in named.items()
        }
        for group, named in checkpoint.tensors.items()
    }
    values = {name: copy.copy(value) for name, value in checkpoint.values.items()}
    return Checkpoint(checkpoint.step, tensors, values)


def write_checkpoint(
    folder: Path,
    checkpoint: Checkpoint,
    identity: Mapping[str, Any],
    score: float | None = None,
) -> Label:
    """Write a checkpoint into a folder of its own, the manifest last; returns its label.

    Tensors must be contiguous. A ``score`` that is no number counts as none.
    """
    shutil.rmtree(folder, ignore_errors=True)  # what this attempt wrote of the same step before
    folder.mkdir(parents=True)
    for group, tensors in checkpoint.tensors.items():
        write_tensors(tensors, folder / f"{group}.safetensors")
    # In their own order, which is that of columns in what a run writes at its end.
    (folder / VALUES).write_text(json.dumps(checkpoint.values, allow_nan=False))
    files = {path.name: _describe(path) for path in sorted(folder.iterdir())}
    finite = score is not None and math.isfinite(score)
    label = Label(checkpoint.step, score if finite else None, dict(identity), files)
    partial = folder / f"{MANIFEST}.partial"
    told = {FORMAT: 1, **vars(label)}
    told["sha256"] = _digest(told)
    partial.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    partial.replace(folder / MANIFEST)
    return label


def read_label(folder: Path) -> Label:
    """What the manifest says; NotWholeError where there is none that can be read and is whole."""
    try:
        told = json.loads((folder / MANIFEST).read_bytes())
        sha256 = told.pop("sha256")
        label = Label(**check_format(told, folder / MANIFEST))
    except NewerFormatError as newer:
        raise NewerCheckpointError(newer.what) from None
    except UserError as damage:
        raise NotWholeError(damage.what) from None
    except (OSError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise NotWholeError(f"no readable {MANIFEST} ({type(error).__name__})") from None
    if _digest(told) != sha256:
        raise NotWholeError(f"{MANIFEST} is damaged (sha256 differs)")
    if any(Path(name).name != name for name in label.files):
        raise NotWholeError(f"{MANIFEST} names files of other folders")
    return label


def read_checkpoint(folder: Path, label: Label) -> Checkpoint:
    """The checkpoint of a folder, once every file has proved to be what the label says.

    Raises NotWholeError, which names the first file that is missing or is not.
    """
    for name in label.files:
        if not (folder / name).is_file():
            raise NotWholeError(f"{name} is missing")
    files = [folder / name for name in label.files if name.endswith(".safetensors")]
    try:
        for name, description in label.files.items():
            if _describe(folder / name) != description:
                raise NotWholeError(f"{name} is damaged (size or sha256 differs)")
        values = json.loads((folder / VALUES).read_bytes())
        return Checkpoint(label.step, {file.stem: load_file(file) for file in files}, values)
    except FileNotFoundError as gone:
        raise NotWholeError(f"another attempt has removed it meanwhile ({gone})") from None


def remove_folder(folder: Path) -> None:
    """Remove a folder; of several attempts that do so at once, the last one ends it."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def remove_empty(folder: Path) -> None:
    """Remove a folder unless there is something in it, which another may have just put there."""
    try:
        if not any(folder.iterdir()):  # rmdir refuses a link or a mount in other words
            folder.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            raise


def _digest(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}
