"""A copy of the project with very small numbers, brought up to date once for all its tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.profiles.overlay import merge, read_profile, render_params

DATASETS = ["vqa_rad", "iu_xray", "pneumoniamnist", "medmcqa"]
TWICE = "pneumoniamnist"
SMALL: dict[str, Any] = {
    "sizes": ["debug"],
    "datasets": DATASETS,
    "pretrained_on": ["iu_xray"],
    "zero_shot_on": ["vqa_rad"],
    "compute": {"device": "cpu", "parallel_stages": 1},
    "acquire": {"sample_images": 40, "sample_texts": 60, "sample_image_px": 32},
    "build_vocabulary": {"num_merges": 200, "num_codes": 16, "num_bins": 10},
    "prepare": {"max_train": 40, "max_validation": 8, "max_test": 12, "derived_test": 0.3},
    "fit_image_tokenizer": {"steps": 4, "channels": 8, "latent": 4, "image_px": 16, "batch": 4}
    | {"max_images": 8},
    "tokenize_images": {"image_px": 16, "min_quality": {"every": {"psnr_db": 0.0}}},
    "pretrain": {"steps": 3, "effective_batch": 4, "image_px": 32},
    "finetune": {"steps": 3, "effective_batch": 4, "image_px": 32},
    "instruct": {"steps": 3, "effective_batch": 4, "image_px": 32},
    "evaluate": {"beam": 2, "max_target_tokens": 6, "bootstrap": 100},
}
LEFT_OUT = ("dvc.lock", "tests/", ".prefect/")


@dataclass(frozen=True)
class Project:
    """A copy of the project, and how to run commands in it."""

    root: Path
    environment: dict[str, str]

    def biomedgpt(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """``biomedgpt run`` or another command in the copy, with the copy's own code."""
        return self._call(["-m", "flows.cli", *words], self.root, **environment)

    def dvc(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command of DVC's in the copy; the stages that it runs have this very interpreter."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        return self._call(["-m", "dvc", *words], self.root, PATH=path, **environment)

    def enter_stage(
        self, stage: str, *words: str, at: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """One stage by its door, ``at`` another working folder."""
        command = ["-m", f"components.stages.{stage}", *words]
        return self._call(command, at or self.root, **environment)

    def _call(
        self, words: list[str], at: Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=at,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )


def copy_sources(repository: Path, target: Path) -> None:
    """What git knows, and what it would: a working tree may hold files that are still to come."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("needs a git checkout, which tells sources from products")
    for name in filter(None, listed.stdout.split("\0")):
        if not name.startswith(LEFT_OUT) and (repository / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(repository / name, target / name)


@pytest.fixture(scope="session")
def project(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The copy before anything ran in it; one data set is tuned from two seeds."""
    made = make_project(repository, tmp_path_factory.mktemp("pipeline"), SMALL)
    card = made.root / f"data/cards/{TWICE}.yaml"
    card.write_text(card.read_text().replace("recipe: {}", "recipe: {seeds: 2}"))
    return made


@pytest.fixture(scope="session")
def first_run(project: Project) -> subprocess.CompletedProcess[str]:
    """The run that everything else looks at."""
    done = project.biomedgpt("run")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def make_project(repository: Path, folder: Path, changes: dict[str, Any]) -> Project:
    """A copy of the project under ``folder``, with the demo's parameters but for ``changes``."""
    root = folder / "project"
    copy_sources(repository, root)
    values = merge(read_profile("demo"), changes, "test")
    (root / "params.yaml").write_text(render_params(values))
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "DVC_"))}
    own = {
        "PYTHONPATH": str(root),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder / "site"),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }
    return Project(root, {**inherited, **own})
