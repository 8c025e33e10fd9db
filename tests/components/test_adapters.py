"""LoRA: what is trained, what stays, and that merging leaves an ordinary model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from components.adapters import (
    PROJECTIONS,
    WEIGHTS,
    AdapterSettings,
    add_adapters,
    merge_adapters,
    save_adapters,
)
from components.model.config import model_config
from components.model.model import UnifiedModel

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


def test_adapters_are_kept_beside_the_model(tmp_path: Path) -> None:
    model = tiny()
    add_adapters(model, SETTINGS, seed=0)
    weights = merge_adapters(model)
    save_adapters(weights, SETTINGS, tmp_path)
    kept = load_file(tmp_path / WEIGHTS)
    assert kept.keys() == weights.keys()
    assert all(torch.equal(kept[name], value) for name, value in weights.items())


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
