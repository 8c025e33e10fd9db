"""A disk that has no room for what is exported: told in words, and the next attempt succeeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.cli import run_command
from flows.cli import build_parser
from tests.components.serving.small import make_folder
from tests.components.training.test_checkpoints import no_room


@pytest.mark.parametrize(
    ("names", "to"),
    [
        ("fairseq", "there.pt"),
        ("huggingface", "there.safetensors"),
        ("huggingface", "there.bin"),
        ("transformers", "there"),
    ],
)
def test_an_export_that_finds_no_room_is_told_and_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], names: str, to: str
) -> None:
    model = make_folder(tmp_path / "model")
    command = ["export", str(model), "--to", str(tmp_path / to), "--names", names]
    with no_room(8192):
        assert run_command(build_parser(), command) == 2
    told = capfd.readouterr().err
    assert "cannot be read or written" in told and "File too large" in told
    assert not (tmp_path / to).exists()
    assert run_command(build_parser(), command) == 0
    assert (tmp_path / to).exists()
