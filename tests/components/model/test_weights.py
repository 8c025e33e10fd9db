"""Our own checkpoint format, when a file of it is not whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import UserError
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.model.weights import CONFIG, WEIGHTS, load_model, save_model


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


@pytest.mark.parametrize(
    "claim", [{"vocabulary_size": 10**9}, {"encoder_layers": 900}, {"trunk_blocks": [1, 1, 900]}]
)
def test_a_config_that_claims_more_than_the_file_holds_builds_nothing(
    tmp_path: Path, claim: dict[str, object]
) -> None:
    save_model(UnifiedModel(model_config("debug", 100)), tmp_path)
    config = tmp_path / CONFIG
    config.write_text(json.dumps(json.loads(config.read_text()) | claim))
    with pytest.raises(UserError, match=f"{WEIGHTS} is damaged") as caught:
        load_model(tmp_path)
    assert "parameters, the file has" in caught.value.why
