"""The data stages give the same bytes on two machines that differ in all that should not matter."""

from __future__ import annotations

import locale
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.lineage import MANIFEST, hash_file
from components.profiles.overlay import merge, read_profile, render_params
from tests.pipeline.conftest import SMALL, Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
DATASETS = ("vqa_rad", "iu_xray", "medmcqa")
SOURCES = ("pubmed", "pmc_oa", "biomed_vital", *DATASETS)
ACQUIRE = [("acquire", "--source", name) for name in SOURCES]
STAGES = (
    ("ingest_pubmed",),
    *(("prepare", "--dataset", name) for name in DATASETS),
    ("prepare_biomed_vital",),
    ("build_vocabulary",),
    ("audit",),
    ("gather_pretraining",),
    ("fit_image_tokenizer",),
    ("tokenize_images",),
)
PRODUCTS = len(ACQUIRE) + len(STAGES)
RAMDISK = Path("/dev/shm")  # lists files in the order in which they were made

TURKISH = "tr_TR.UTF-8"  # where the capital of i is another letter


def find_locale() -> str:
    """Turkish where the system knows it, else plain UTF-8."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        return locale.setlocale(locale.LC_ALL, TURKISH)
    except locale.Error:
        return "C.UTF-8"
    finally:
        locale.setlocale(locale.LC_ALL, before)


OTHER = find_locale()


@dataclass(frozen=True)
class World:
    """What is around the stages on one machine."""

    folder: str
    umask: int
    workers: int
    environment: dict[str, str]
    on_ramdisk: bool = False


WORLDS = (
    World(
        "plain", 0o022, 0,
        {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C", "LANG": "C"}
        | {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},  # a locale of plain ASCII
    ),
    World(
        "Zürich 2, λ projects", 0o077, 2,
        {"PYTHONHASHSEED": "4242", "TZ": "Asia/Kathmandu", "LC_ALL": OTHER, "LANG": OTHER},
        on_ramdisk=True,
    ),
)  # fmt: skip


def write_params(root: Path, workers: int) -> None:
    """The small pipeline's parameters; so many processes ingest and tokenize."""
    several: dict[str, Any] = {
        "datasets": list(DATASETS),
        "pretraining_sources": [],
        "acquire": {**SMALL["acquire"], "workers": workers + 1},
        "ingest_pubmed": {"workers": workers},
        "tokenize_images": {**SMALL["tokenize_images"], "workers": workers},
    }
    values = merge(read_profile("demo"), {**SMALL, **several}, "test")
    (root / "params.yaml").write_text(render_params(values))


def turn_around(folder: Path) -> None:
    """Make all files of a folder again, the last one first: other file systems list them so."""
    old = folder.rename(folder.with_name("old"))
    for path in sorted(old.rglob("*"), reverse=True):
        new = folder / path.relative_to(old)
        if path.is_dir():
            new.mkdir(parents=True, exist_ok=True)
        else:
            new.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, new)
    shutil.rmtree(old)


def make_data(project: Project, root: Path, world: World) -> dict[str, str]:
    """Hashes of all that the stages write."""

    def run(*words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", f"components.stages.{words[0]}", *words[1:]],
            cwd=root, env={**project.environment, **world.environment}, umask=world.umask,
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stderr.decode(errors="replace"))

    shutil.copytree(project.root / "data/cards", root / "data/cards")
    write_params(root, world.workers)
    for words in ACQUIRE:
        run(*words)
    if world.on_ramdisk:
        turn_around(root / "data/raw")
    for words in STAGES:
        run(*words)
    files = sorted(path for path in (root / "data").rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hash_file(path) for path in files}


@pytest.fixture
def roots(tmp_path: Path) -> Iterator[list[Path]]:
    """A folder for each world, one of them in memory where the system has such a place."""
    place = RAMDISK if RAMDISK.is_dir() else tmp_path
    with tempfile.TemporaryDirectory(dir=place) as other:
        made = [(Path(other) if world.on_ramdisk else tmp_path) / world.folder for world in WORLDS]
        for root in made:
            root.mkdir()
        yield made


def test_two_worlds_give_the_same_bytes(project: Project, roots: list[Path]) -> None:
    first, second = (
        make_data(project, root, world) for root, world in zip(roots, WORLDS, strict=True)
    )
    assert [name for name in first if second.get(name) != first[name]] == []
    assert first.keys() == second.keys()
    assert sum(Path(name).name == MANIFEST for name in first) == PRODUCTS
