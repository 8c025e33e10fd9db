"""The data stages give the same bytes whatever the hash seed, the time zone and the locale."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.lineage import MANIFEST, hash_file
from tests.pipeline.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
STAGES = (
    ("acquire", "--source", "vqa_rad"),
    ("acquire", "--source", "medmcqa"),
    ("acquire", "--source", "pubmed"),
    ("acquire", "--source", "pmc_oa"),
    ("ingest_pubmed",),
    ("prepare", "--dataset", "vqa_rad"),
    ("prepare", "--dataset", "medmcqa"),
)
WORLDS = (
    {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"}
    | {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},  # a locale of plain ASCII
    {"PYTHONHASHSEED": "4242", "TZ": "America/St_Johns", "LC_ALL": "C.UTF-8"},
)


def make_data(project: Project, root: Path, environment: dict[str, str]) -> dict[str, str]:
    """Hashes of all that the stages write."""
    shutil.copytree(project.root / "data/cards", root / "data/cards")
    shutil.copyfile(project.root / "params.yaml", root / "params.yaml")
    for words in STAGES:
        done = project.enter_stage(*words, at=root, **environment)
        assert done.returncode == 0, done.stderr
    files = sorted(path for path in (root / "data").rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hash_file(path) for path in files}


def test_two_worlds_give_the_same_bytes(project: Project, tmp_path: Path) -> None:
    first, second = (
        make_data(project, tmp_path / str(number), world) for number, world in enumerate(WORLDS)
    )
    assert [name for name in first if second.get(name) != first[name]] == []
    assert first.keys() == second.keys()
    assert sum(Path(name).name == MANIFEST for name in first) == len(STAGES)
