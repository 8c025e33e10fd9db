"""Resumable checkpoints: safetensors and json, whole or not there.

A checkpoint is written under a temporary name and renamed when complete; its ``manifest.json``
holds size and sha256 of each file and is written last. A damaged one is never loaded: the newest
good one is, and what was passed over is reported.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on: tensors by group, and plain values."""

    step: int
    tensors: dict[str, dict[str, Tensor]]
    values: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep: int = 2) -> Path:
    """Write a checkpoint under ``folder/step-<n>`` and drop all but the newest ``keep``."""
    final = folder / f"step-{checkpoint.step:08d}"
    partial = folder / f".{final.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for group, tensors in checkpoint.tensors.items():
        contiguous = {name: value.detach().contiguous() for name, value in tensors.items()}
        save_file(contiguous, partial / f"{group}.safetensors")
    (partial / "values.json").write_text(json.dumps(checkpoint.values, sort_keys=True))
    files = {path.name: _describe(path) for path in sorted(partial.iterdir())}
    (partial / MANIFEST).write_text(json.dumps({"step": checkpoint.step, "files": files}))
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    for old in _found(folder)[:-keep]:
        shutil.rmtree(old)
    return final


def load_checkpoint(
    folder: Path, expected: Mapping[str, Any]
) -> tuple[Checkpoint | None, list[str]]:
    """The newest good checkpoint whose values agree with ``expected``, and why others were not.

    ``expected`` holds the identity of the run (settings, input hashes): a checkpoint of another
    run is passed over.
    """
    passed_over: list[str] = []
    for path in reversed(_found(folder)):
        fault = _fault(path)
        if fault is None:
            values = json.loads((path / "values.json").read_text())
            differing = [key for key in expected if values.get(key) != expected[key]]
            if not differing:
                return _read(path, values), passed_over
            fault = f"made with other {', '.join(differing)}"
        passed_over.append(f"{path.name}: {fault}")
    return None, passed_over


def _read(path: Path, values: dict[str, Any]) -> Checkpoint:
    step = json.loads((path / MANIFEST).read_text())["step"]
    tensors = {file.stem: load_file(file) for file in sorted(path.glob("*.safetensors"))}
    return Checkpoint(step, tensors, values)


def _found(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def _fault(path: Path) -> str | None:
    try:
        files = json.loads((path / MANIFEST).read_text())["files"]
    except (OSError, ValueError, KeyError) as error:
        return f"no readable {MANIFEST} ({type(error).__name__})"
    for name, description in files.items():
        if not (path / name).is_file():
            return f"{name} is missing"
        if _describe(path / name) != description:
            return f"{name} is damaged (size or sha256 differs)"
    return None


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}
