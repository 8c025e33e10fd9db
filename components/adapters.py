"""Low-rank adapters (LoRA, arXiv 2106.09685) on attention and feed-forward projections.

The one place that knows peft. Adapters are trained beside the frozen model, and merged into it
when training ends, so that a tuned model has the form of any other.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from components.model.model import UnifiedModel

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
WEIGHTS, CONFIG = "adapter.safetensors", "adapter.json"


@dataclass(frozen=True)
class AdapterSettings:
    """Rank of the update, its scale (alpha / rank), and the dropout before it."""

    rank: int
    alpha: float
    dropout: float


def add_adapters(model: UnifiedModel, settings: AdapterSettings, seed: int) -> int:
    """Freeze the model and put a fresh adapter beside each projection; the trainable parameters.

    A fresh adapter changes nothing: its second matrix is zero.
    """
    from peft import LoraConfig, inject_adapter_in_model

    model.requires_grad_(False)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # a scale: any number will do
        lora_dropout=settings.dropout,
        target_modules=list(PROJECTIONS),
    )
    torch.manual_seed(seed)
    inject_adapter_in_model(config, model)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def merge_adapters(model: UnifiedModel) -> dict[str, torch.Tensor]:
    """Add every adapter to its projection and take it out; returns the adapters' weights by name.

    The model then has its own names again, and no more parameters than before.
    """
    from peft.tuners.lora import Linear as Adapted

    weights = {
        name: value.detach().clone().cpu()
        for name, value in model.state_dict().items()
        if ".lora_" in name
    }
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Adapted):
                child.merge(safe_merge=True)
                base: nn.Module = child.get_base_layer()
                setattr(parent, name, base)
    model.requires_grad_(True)
    return weights


def save_adapters(
    weights: dict[str, torch.Tensor], settings: AdapterSettings, folder: Path
) -> None:
    """Write the adapters beside the merged model: a few per cent of its size."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(asdict(settings), indent=1, sort_keys=True) + "\n")
