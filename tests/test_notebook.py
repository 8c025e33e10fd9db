"""The notebook runs top to bottom, on a finished project, and keeps no outputs that could lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.components.artifacts.conftest import made_project, project

__all__ = ["made_project", "project"]


def test_every_cell_runs_in_its_order(
    project: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = json.loads((repository / "docs/ask.ipynb").read_text())["cells"]
    written = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(written) >= 5
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(written):
        assert not cell["outputs"] and cell["execution_count"] is None
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    told = capsys.readouterr().out
    assert "finetune debug vqa_rad" in told and "uncalibrated" in told
    assert "no answer: confidence" in told and "nearest to image 0: " in told
