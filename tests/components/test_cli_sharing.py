"""The commands that share and trace, where a person's own choice of a file is concerned."""

from __future__ import annotations

import json
from pathlib import Path

from components.cli import run_command
from flows.cli import build_parser
from tests.components.artifacts.conftest import made_project, project

__all__ = ["made_project", "project"]


def test_what_was_recalled_is_written_into_a_folder_that_is_not_there_yet(project: Path) -> None:
    assert run_command(build_parser(), ["recall", "--to", "told/recalled.json"]) == 0
    told = json.loads(Path("told/recalled.json").read_text())
    assert told.keys() == {"records", "touched", "unknown"}
