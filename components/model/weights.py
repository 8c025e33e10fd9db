"""Our own checkpoint format: safetensors for the weights, JSON for the config, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from components.errors import UserError
from components.model.config import ModelConfig
from components.model.model import UnifiedModel

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def save_model(model: UnifiedModel, folder: Path) -> None:
    """Write weights and config; each file appears under its name only when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    partial = folder / (WEIGHTS + ".partial")
    save_file(tensors, partial)
    partial.replace(folder / WEIGHTS)
    (folder / CONFIG).write_text(model.config.to_json())


def load_model(folder: Path, **changes: Any) -> UnifiedModel:
    """Read a model saved by ``save_model``; ``changes`` override config values such as dropout.

    Raises UserError when a file is missing or names and shapes do not match exactly.
    """
    for name in (WEIGHTS, CONFIG):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing", next_command="dvc repro")
    config = ModelConfig.from_json((folder / CONFIG).read_text(), **changes)
    with torch.device("meta"):
        model = UnifiedModel(config)
    tensors = load_file(folder / WEIGHTS)
    check_names(model, tensors, folder / WEIGHTS)
    model = model.to_empty(device="cpu")
    model.load_state_dict(tensors)
    restore_buffers(model)
    return model


def count_parameters(folder: Path) -> int:
    """Number of parameters of a saved model, the tied matrix once, statistics not."""
    with torch.device("meta"):
        model = UnifiedModel(ModelConfig.from_json((folder / CONFIG).read_text()))
    return sum(parameter.numel() for parameter in model.parameters())


def check_names(model: UnifiedModel, tensors: dict[str, torch.Tensor], where: Path) -> None:
    """UserError that lists missing, unexpected and mis-shaped tensors, if there are any."""
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    faults = [f"missing {name}" for name in sorted(wanted.keys() - found.keys())]
    faults += [f"unexpected {name}" for name in sorted(found.keys() - wanted.keys())]
    for name in sorted(wanted.keys() & found.keys()):
        if wanted[name] != found[name]:
            faults.append(f"{name} has shape {found[name]}, the config says {wanted[name]}")
    if faults:
        raise UserError(f"{where}: {len(faults)} tensors do not match", why="; ".join(faults[:20]))


def restore_buffers(model: UnifiedModel) -> None:
    """Recompute the tables that are derived from the config and not stored."""
    from components.model.positions import token_buckets

    table = token_buckets(model.config.max_positions, model.config.token_bucket_size)
    model.encoder.buckets = table
    model.decoder.buckets = table.clone()
