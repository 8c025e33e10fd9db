"""What was around a product: commit, settings, DVC's hashes, libraries, seeds, hardware."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from components.artifacts.manifest import Circumstances
from components.config import Params
from components.lineage import hash_file
from components.tracing.lock import find_stage
from components.tracing.products import Product

LOCK = Path("requirements.lock")
LIBRARIES = ("torch", "numpy", "pillow", "tokenizers", "transformers", "pyarrow", "polars")
# Paths and addresses of this machine and its network, which tell nobody else anything. What a model
# started from stays: it is where its weights come from.
OWN_PLACES: dict[str, Any] = {
    "acquire": {"root": True, "state": True, "pmc": {"articles", "endpoint"}},
    "compute": {"checkpoints"},
}


def describe_circumstances(product: Product, params: Params) -> Circumstances:
    """As far as they are known here: an unknown commit is "", an unknown stage of dvc.lock too."""
    commit, is_changed = _ask_git()
    stage = find_stage(product.path)
    return Circumstances(
        git_commit=commit,
        git_changed=is_changed,
        params=params.model_dump(mode="json", exclude=OWN_PLACES),
        dvc=stage.hashes if stage else {},
        dvc_stage=stage.name if stage else "",
        environment=_describe_environment(),
        seeds=_list_seeds(product, params),
        hardware=_describe_hardware(),
    )


def _ask_git() -> tuple[str, bool]:
    """The commit, and whether tracked files differ from it; "" outside a repository."""

    def ask(*words: str) -> str:
        command = ["git", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = ask("rev-parse", "HEAD")
        changed = ask("status", "--porcelain", "--untracked-files=no")
    except FileNotFoundError:  # there is no git
        return "", False
    # what a run writes itself is no change of the code
    own = ("params.yaml", "dvc.lock")
    return commit, any(not line.endswith(own) for line in changed.splitlines())


def _describe_environment() -> dict[str, str]:
    found = {"python": platform.python_version()}
    if LOCK.is_file():
        found["requirements.lock sha256"] = hash_file(LOCK)
    return found | {library: version(library) for library in LIBRARIES}


def _list_seeds(product: Product, params: Params) -> list[int]:
    own = product.manifest["settings"].get("seed", params.seed)
    return sorted({params.seed, own})


def _describe_hardware() -> dict[str, Any]:
    """Of this machine; torch is asked only because it names GPUs."""
    import torch

    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {"machine": platform.machine(), "processors": os.cpu_count() or 1, "gpus": gpus}
