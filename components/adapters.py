"""Low-rank adapters (LoRA, arXiv 2106.09685) on attention and feed-forward projections.

The one place that knows peft. Adapters are trained beside the frozen model, and merged into it
when training ends, so that a tuned model has the form of any other. They are also kept as peft
keeps them, for the model that the training began with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save
from torch import nn

from components.model.model import UnifiedModel

if TYPE_CHECKING:
    from peft import LoraConfig

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
# A folder of its own: beside a model's weights, transformers would lay it on them once more.
FOLDER = "adapter"
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"  # peft's names
NAME = "default"  # peft's name of the only adapter, which no file of it holds
WRAPPED = (
    "base_model.model.unified."  # where peft finds our model under the classes of transformers
)


@dataclass(frozen=True)
class AdapterSettings:
    """Rank of the update, its scale (alpha / rank), and the dropout before it."""

    rank: int
    alpha: float
    dropout: float


def lora_config(settings: AdapterSettings, start_from: str | None = None) -> LoraConfig:
    """The same in peft's words; ``start_from`` names the model that the adapters are for."""
    from peft import LoraConfig

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # a scale: any number will do
        lora_dropout=settings.dropout,
        target_modules=list(PROJECTIONS),
        task_type="SEQ_2_SEQ_LM",
        base_model_name_or_path=start_from,
    )


def add_adapters(model: UnifiedModel, settings: AdapterSettings, seed: int) -> int:
    """Freeze the model and put a fresh adapter beside each projection; the trainable parameters.

    A fresh adapter changes nothing: its second matrix is zero.
    """
    from peft import inject_adapter_in_model

    model.requires_grad_(False)
    torch.manual_seed(seed)
    inject_adapter_in_model(lora_config(settings), model, NAME)
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
    weights: dict[str, torch.Tensor], settings: AdapterSettings, folder: Path, start_from: str
) -> None:
    """Write adapters as peft does: a few per cent of a model.

    start = BiomedGptForConditionalGeneration.from_pretrained(start_from)
    PeftModel.from_pretrained(start, folder)  # gives the logits of the merged model
    """
    folder.mkdir(parents=True, exist_ok=True)
    named = {WRAPPED + name.replace(f".{NAME}.", "."): value for name, value in weights.items()}
    # save_file would close the file to all other users.
    (folder / WEIGHTS).write_bytes(save(named, metadata={"format": "pt"}))
    config = lora_config(settings, start_from or None).to_dict()  # type: ignore[no-untyped-call]
    # peft would write sets in an order that changes from run to run.
    text = json.dumps({**config, "inference_mode": True}, indent=1, sort_keys=True, default=sorted)
    (folder / CONFIG).write_text(text + "\n")
