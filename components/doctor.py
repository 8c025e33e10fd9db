"""What ``biomedgpt doctor`` looks at: this machine and this folder, one finding per subject."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from components.config import load_params
from components.errors import UserError
from components.serving.memory import container_limits

MIN_DISK_GB = 10
MIN_MEMORY_GB = 6
GB = 1e9
Level = Literal["OK", "WARN", "FAIL"]
OTHERS = 0o077  # permission bits of everybody but the owner


@dataclass(frozen=True)
class Finding:
    """One line: how serious, about what, in which words, and how to mend it."""

    level: Level
    subject: str
    words: str
    mend: str = ""


def examine(root: Path) -> list[Finding]:
    """Every check, in the order of what stops a newcomer first."""
    return [
        check_python(sys.version_info[:2]),
        check_torch(),
        check_gpu(read_device(root / "params.yaml")),
        check_disk(shutil.disk_usage(root).free),
        check_memory(min([physical_memory(), *container_limits()])),
        check_writable(root),
        check_params(root / "params.yaml"),
        check_lock(root / ".dvc" / "tmp" / "lock"),
        check_privacy(root / ".dvc"),
    ]


def check_python(version: tuple[int, int]) -> Finding:
    """Python 3.11 or 3.12."""
    words = ".".join(str(part) for part in version)
    if version in ((3, 11), (3, 12)):
        return Finding("OK", "python", words)
    return Finding(
        "FAIL", "python", f"{words}; 3.11 or 3.12 is needed", "make clean install PYTHON=python3.12"
    )


def check_torch() -> Finding:
    """The installed torch, without importing it."""
    try:
        return Finding("OK", "torch", metadata.version("torch"))
    except metadata.PackageNotFoundError:
        return Finding("FAIL", "torch", "not installed", "make install")


def read_device(path: Path) -> str:
    """What params.yaml says under compute.device; ``auto`` where it cannot be read."""
    try:
        return load_params(path).compute.device
    except UserError:
        return "auto"


def check_gpu(wanted: str) -> Finding:
    """An NVIDIA GPU that torch can use; the demo needs none, ``compute.device: cuda`` does."""
    try:
        import torch
    except (ImportError, OSError) as error:  # not there, or without a library that it needs
        words = f"not known: torch cannot be loaded ({' '.join(str(error).split())[:200]})"
        return Finding("FAIL", "gpu", words, "make clean install")
    if torch.cuda.is_available():
        memory_gb = torch.cuda.get_device_properties(0).total_memory / GB
        return Finding("OK", "gpu", f"{torch.cuda.get_device_name(0)}, {memory_gb:.0f} GB")
    if shutil.which("nvidia-smi"):
        words = "there is one, but torch was built without CUDA"
        level: Level = "FAIL" if wanted == "cuda" else "WARN"
        return Finding(level, "gpu", words, "make clean install")
    if wanted == "cuda":
        words = "none, and compute.device in params.yaml is cuda"
        return Finding("FAIL", "gpu", words, "set compute.device to auto in params.yaml")
    return Finding("OK", "gpu", "none; training runs on the CPU, for the smallest sizes only")


def check_disk(free: int) -> Finding:
    """Free bytes where the products go."""
    words = f"{free / GB:.0f} GB free"
    if free >= MIN_DISK_GB * GB:
        return Finding("OK", "disk", words)
    return Finding("WARN", "disk", words, f"free {MIN_DISK_GB} GB, or run `dvc gc --workspace`")


def physical_memory() -> int:
    """Bytes of the machine's main memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_memory(total: int) -> Finding:
    """Bytes of main memory: the machine's, or what a container allows."""
    words = f"{total / GB:.0f} GB"
    if total >= MIN_MEMORY_GB * GB:
        return Finding("OK", "memory", words)
    return Finding("WARN", "memory", words, "set compute.parallel_stages: 1 in params.yaml")


def check_writable(root: Path) -> Finding:
    """Products, DVC's cache and Prefect's home are written under the project's root."""
    if os.access(root, os.W_OK):
        return Finding("OK", "folder", f"{root} can be written")
    return Finding(
        "FAIL", "folder", f"{root} cannot be written", "clone the project into a folder of yours"
    )


def check_params(path: Path) -> Finding:
    """params.yaml is valid."""
    try:
        params = load_params(path)
    except UserError as error:
        words = error.what + (f": {error.why}" if error.why else "")
        return Finding("FAIL", "params", words, "mend the key, or run `biomedgpt use demo`")
    return Finding("OK", "params", f"profile {params.profile}")


def check_lock(path: Path) -> Finding:
    """Whether a DVC command holds this project. The system frees the lock of a dead process."""
    if not path.is_file():
        return Finding("OK", "lock", "free")
    with path.open("r") as file:
        holder = file.read().strip() or "unknown"
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # others may look as well
        except OSError:
            words = f"held by process {holder}: another command is working here"
            return Finding("WARN", "lock", words, "wait for it, or end that process")
    return Finding("OK", "lock", "free")


def check_privacy(folder: Path) -> Finding:
    """DVC's folders must be closed to other users: docs/safety.md tells of diskcache."""
    open_to_others = [
        path.name
        for path in (folder / "cache", folder / "site")
        if path.is_dir() and path.stat().st_mode & OTHERS
    ]
    if not open_to_others:
        return Finding("OK", "privacy", "DVC's cache is closed to other users")
    names = " ".join(f".dvc/{name}" for name in open_to_others)
    return Finding("WARN", "privacy", f"other users can reach {names}", f"chmod 700 {names}")
