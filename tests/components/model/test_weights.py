"""Our own checkpoint format, when a file of it is not whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import UserError
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.model.weights import WEIGHTS, load_model, save_model


def test_damaged_weights_name_the_file_and_the_stage(tmp_path: Path) -> None:
    save_model(UnifiedModel(model_config("debug", vocabulary_size=50)), tmp_path)
    identity = {"dataset": "slake", "size": "debug"}
    (tmp_path / "manifest.json").write_text(json.dumps({"stage": "finetune", "identity": identity}))
    path = tmp_path / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"model\.safetensors is damaged") as caught:
        load_model(tmp_path)
    assert caught.value.next_command.endswith(" finetune@debug-slake")
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(UserError, match="is damaged"):
        load_model(tmp_path)


def test_weights_may_be_read_by_whom_their_neighbours_may(tmp_path: Path) -> None:
    save_model(UnifiedModel(model_config("debug", 64)), tmp_path / "model")
    modes = {path.stat().st_mode for path in (tmp_path / "model").iterdir()}
    assert len(modes) == 1
