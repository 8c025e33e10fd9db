"""A small finished project, made once a session and copied for each test."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.components.artifacts.project import evaluate, make_project


@pytest.fixture(scope="session")
def made_project(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The project, to be copied."""
    folder, here = tmp_path_factory.mktemp("project"), Path.cwd()
    os.chdir(folder)
    try:
        make_project(repository)
        evaluate()
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def project(made_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project, which is the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(made_project, folder)
    monkeypatch.chdir(folder)
    return folder
