"""LoRA: what is trained, what stays, and that merging leaves an ordinary model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from components.adapters import (
    CONFIG,
    FOLDER,
    PROJECTIONS,
    WEIGHTS,
    AdapterSettings,
    add_adapters,
    merge_adapters,
    save_adapters,
)
from components.huggingface.configuration import BiomedGptConfig
from components.huggingface.modeling import BiomedGptForConditionalGeneration
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.model.weights import save_model

SETTINGS = AdapterSettings(rank=3, alpha=6.0, dropout=0.0)
SOURCE, PREV = torch.tensor([[0, 5, 6, 7, 2]]), torch.tensor([[0, 8, 9]])


def tiny() -> UnifiedModel:
    torch.manual_seed(0)
    return UnifiedModel(model_config("debug", 60, dropout=0.0, drop_path=0.0)).eval()


def draw_adapters(model: UnifiedModel) -> None:
    """Adapters that were trained: their second matrices are no longer zero."""
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)


@torch.no_grad()
def test_fresh_adapters_change_nothing_and_follow_their_seed() -> None:
    model, plain = tiny(), tiny()(SOURCE, PREV)
    add_adapters(model, SETTINGS, seed=4)
    assert torch.equal(model(SOURCE, PREV), plain)
    again, other = tiny(), tiny()
    add_adapters(again, SETTINGS, seed=4)
    add_adapters(other, SETTINGS, seed=5)
    first = {name: value for name, value in model.state_dict().items() if "lora_A" in name}
    assert first and all(torch.equal(again.state_dict()[name], v) for name, v in first.items())
    assert not all(torch.equal(other.state_dict()[name], v) for name, v in first.items())


def test_only_adapters_of_every_projection_are_trained() -> None:
    model = tiny()
    num = add_adapters(model, SETTINGS, seed=0)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert all(".lora_A." in name or ".lora_B." in name for name in trained)
    # 2 encoder layers with one attention, 2 decoder layers with two, and a feed-forward pair each
    assert len(trained) == 2 * (2 * (4 + 2) + 2 * (8 + 2))
    assert {name.split(".")[-4] for name in trained} == set(PROJECTIONS)
    d, f, r = 128, 512, SETTINGS.rank
    assert num == 24 * r * 2 * d + 8 * r * (d + f)


@torch.no_grad()
def test_a_merged_model_answers_as_the_adapted_one_and_has_its_own_names() -> None:
    model, names = tiny(), list(tiny().state_dict())
    add_adapters(model, SETTINGS, seed=0)
    draw_adapters(model)
    adapted = model(SOURCE, PREV)
    weights = merge_adapters(model)
    torch.testing.assert_close(model(SOURCE, PREV), adapted, atol=1e-5, rtol=1e-5)
    assert (adapted - tiny()(SOURCE, PREV)).abs().max() > 1e-2
    assert list(model.state_dict()) == names
    assert all(p.requires_grad for p in model.parameters())
    assert len(weights) == 64


def wrap(model: UnifiedModel) -> BiomedGptForConditionalGeneration:
    wrapped = BiomedGptForConditionalGeneration(BiomedGptConfig.of(model.config))
    wrapped.unified.load_state_dict(model.state_dict())
    return wrapped.eval()


@pytest.fixture
def trained(tmp_path: Path) -> tuple[UnifiedModel, Path]:
    """A merged model, and the folder of the adapters that went into it."""
    model = tiny()
    add_adapters(model, SETTINGS, seed=0)
    draw_adapters(model)
    save_adapters(merge_adapters(model), SETTINGS, tmp_path / FOLDER, "start")
    return model, tmp_path / FOLDER


@pytest.mark.parametrize("door", ["peft", "transformers"])
@torch.no_grad()
def test_peft_reads_stored_adapters_and_gives_the_merged_model_s_logits(
    trained: tuple[UnifiedModel, Path], door: str
) -> None:
    merged, folder = trained
    model: Any = wrap(tiny())
    if door == "peft":
        model = PeftModel.from_pretrained(model, folder)
    else:
        model.load_adapter(str(folder))
    logits = model(input_ids=SOURCE, decoder_input_ids=PREV).logits
    torch.testing.assert_close(logits, merged(SOURCE, PREV), atol=1e-5, rtol=1e-5)
    assert (logits - tiny()(SOURCE, PREV)).abs().max() > 1e-2


@torch.no_grad()
def test_a_merged_model_is_opened_without_its_adapters_once_more(
    trained: tuple[UnifiedModel, Path],
) -> None:
    merged, folder = trained
    save_model(merged, folder.parent)
    model = BiomedGptForConditionalGeneration.from_pretrained(folder.parent)
    logits = model(input_ids=SOURCE, decoder_input_ids=PREV).logits
    assert torch.equal(logits, merged(SOURCE, PREV))


def test_stored_adapters_say_what_they_are_for_and_are_the_same_each_time(
    trained: tuple[UnifiedModel, Path],
) -> None:
    _, folder = trained
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, WEIGHTS]
    config = json.loads((folder / CONFIG).read_text())
    assert config["target_modules"] == sorted(PROJECTIONS)
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 3, 6.0)
    assert (config["task_type"], config["base_model_name_or_path"]) == ("SEQ_2_SEQ_LM", "start")
    assert len(load_file(folder / WEIGHTS)) == 64


def test_a_step_moves_adapters_alone() -> None:
    model = tiny()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    add_adapters(model, SETTINGS, seed=0)
    model(SOURCE, PREV).square().mean().backward()
    moved = [p for p in model.parameters() if p.grad is not None]
    assert moved and all(p.requires_grad for p in moved)
    merge_adapters(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("rank", [1, 8])
def test_the_rank_is_the_update_s(rank: int) -> None:
    model = tiny()
    plain = model.encoder.layers[0].fc1.weight.detach().clone()  # type: ignore[union-attr]
    add_adapters(model, AdapterSettings(rank, 2.0, 0.0), seed=0)
    draw_adapters(model)
    merge_adapters(model)
    update = model.encoder.layers[0].fc1.weight.detach() - plain  # type: ignore[union-attr]
    assert int(torch.linalg.matrix_rank(update, atol=1e-4)) == rank
