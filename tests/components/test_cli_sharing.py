"""The commands that share and trace, where a person's own choice of a file is concerned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.artifacts.address import parse_address
from components.artifacts.publishing import publish
from components.cli import run_command
from components.config import load_params
from components.tracing.products import read_products
from flows.cli import build_parser
from tests.components.artifacts.conftest import made_project, project
from tests.components.artifacts.project import MODEL

__all__ = ["made_project", "project"]


def test_what_was_recalled_is_written_into_a_folder_that_is_not_there_yet(project: Path) -> None:
    assert run_command(build_parser(), ["recall", "--to", "told/recalled.json"]) == 0
    told = json.loads(Path("told/recalled.json").read_text())
    assert told.keys() == {"records", "touched", "unknown"}


def test_a_damaged_manifest_hides_no_other_version(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(MODEL, parse_address("../shared/vqa"), read_products(), load_params())
    capsys.readouterr()
    Path("../shared/artifacts/aaa").mkdir()
    Path("../shared/artifacts/aaa/v1.json").write_text('{"')
    assert run_command(build_parser(), ["artifacts", "list", "../shared"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("aaa@v1 ")
    assert "cannot be read" in told[0]
    assert told[1].startswith("vqa@v1 ")
