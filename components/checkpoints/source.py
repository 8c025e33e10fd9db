"""A checkpoint file as tensors by name, whatever it is written in, without trust in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from components.checkpoints.reading import RESULT, check_tensors
from components.errors import UserError
from components.model.weights import MISSHAPEN

ROOT = Path(__file__).resolve().parents[2]
ZIP, PICKLE = b"PK\x03\x04", b"\x80"
MAX_HEADER = 100 * 2**20  # safetensors' own limit
KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR")
START_S = 120  # in which the process must have loaded torch, on a busy machine too


@dataclass(frozen=True)
class Limits:
    """What reading a pickled file may take, beyond the libraries themselves."""

    memory_bytes: int
    cpu_s: int
    disk_bytes: int

    @classmethod
    def for_bytes(cls, size: int) -> Limits:
        """Twice the file and a copy of a part; a minute and 20 MB a second."""
        return cls(2 * size + 768 * 2**20, 60 + size // (20 * 10**6), 4 * size + 64 * 2**20)


@dataclass(frozen=True)
class Source:
    """Tensors, where in the file they lay, and the settings that lay beside them."""

    tensors: dict[str, Tensor]
    place: str
    settings: dict[str, Any]


@contextmanager
def read_source(
    path: Path, folder: Path, *, averaged: bool = False, limits: Limits | None = None
) -> Iterator[Source]:
    """Read a .pt, .bin, .ckpt or .safetensors file; which of them is told from its first bytes.

    ``folder`` is where a pickled file's tensors may lie for the while. ``averaged`` asks for the
    running average that fairseq keeps beside the weights. UserError says what is wrong with it.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing, or no file")
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(9)
    # First of all: the length of a safetensors header may begin as a pickle does.
    if head[8:] == b"{" and int.from_bytes(head[:8], "little") <= min(size, MAX_HEADER):
        if averaged:
            raise UserError(f"{path} holds no averaged weights", why="safetensors have one set")
        tensors = _load(path, path)
        try:
            check_tensors(tensors, size)
        except UserError as error:
            raise UserError(f"{path} cannot be imported: {error.what}", why=error.why) from None
        yield Source(tensors, "", {})
    elif head.startswith((ZIP, PICKLE)):
        with tempfile.TemporaryDirectory(dir=folder, prefix=".reading-") as place:
            yield _read_apart(path, Path(place), averaged, limits or Limits.for_bytes(size))
    else:
        raise UserError(
            f"{path} is no checkpoint",
            why=f"it begins with {head!r}, as neither .pt, .bin, .ckpt nor .safetensors do",
            next_command="look at the file: a failed download is often a page of text",
        )


def _load(path: Path, named: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, *MISSHAPEN) as error:
        why = str(error).partition("\n")[0]
        raise UserError(f"{named} is no whole safetensors file", why=why) from None


def _read_apart(path: Path, place: Path, averaged: bool, limits: Limits) -> Source:
    """Have another process read the file into ``place``; see components.checkpoints.reading."""
    # By a name of its own: torch takes a file's suffix for its format.
    link = place / "checkpoint"
    link.symlink_to(path.resolve())
    request = {"file": link.name, "averaged": averaged, **vars(limits)}
    environment = {key: os.environ[key] for key in KEPT_ENVIRONMENT if key in os.environ}
    command = [sys.executable, "-P", "-m", "components.checkpoints.reading", json.dumps(request)]
    errors = place / "errors.txt"
    with errors.open("wb") as stream:
        try:
            code = subprocess.run(
                command,
                cwd=place,
                env={**environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                timeout=limits.cpu_s * 2 + START_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = -signal.SIGXCPU
    if code != 0 or not (place / RESULT).is_file():
        raise _stopped(path, code, limits, errors)
    result = json.loads((place / RESULT).read_text())
    if "what" in result:
        raise UserError(f"{path} cannot be imported: {result['what']}", why=result["why"])
    tensors: dict[str, Tensor] = {}
    for part in sorted(place.glob("*.safetensors")):
        tensors |= _load(part, path)
    return Source(tensors, result["place"], result["settings"])


def _stopped(path: Path, code: int, limits: Limits, errors: Path) -> UserError:
    """Words for a reader that did not come to its end."""
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        why = f"a file of its size may take {limits.cpu_s} s and {limits.memory_bytes:,} bytes"
        return UserError(f"{path} cannot be imported: reading it was stopped at its limit", why=why)
    lines = errors.read_text(errors="replace").strip().splitlines() or [""]
    return UserError(
        f"{path} cannot be imported: the process that read it was stopped (status {code})",
        why=lines[-1][:200],
    )
