"""Export: our own checkpoint to the files that others read."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from components.checkpoints.names import fairseq_tensors, huggingface_tensors
from components.checkpoints.settings import fairseq_settings, huggingface_settings
from components.errors import UserError, refusals_numbered
from components.model.config import ModelConfig
from components.model.weights import CONFIG, WEIGHTS, load_model

SUFFIXES = {"fairseq": (".pt", ".pth"), "huggingface": (".safetensors", ".bin")}


def export_checkpoint(folder: Path, path: Path, names: str) -> list[Path]:
    """Write a saved model under other names; return the files.

    ``fairseq``: one file of torch.save. ``huggingface``: .bin or .safetensors, and the port's
    config.json beside it. UserError where a file is there already, has a suffix of another
    format, or the port has no such model.
    """
    if path.suffix not in SUFFIXES[names]:
        raise UserError(
            f"{path} cannot hold the names of {names}",
            why=f"a file of it ends in {' or '.join(SUFFIXES[names])}",
            next_command=f"--to {path.with_suffix(SUFFIXES[names][0])}",
        )
    written = [path, *([path.parent / CONFIG] if names == "huggingface" else [])]
    for target in written:
        if target.exists():
            raise UserError(f"{target} is there already", next_command="name another after --to")
    check_exportable(folder)
    model = load_model(folder)
    weights, config = model.state_dict(), model.config
    path.parent.mkdir(parents=True, exist_ok=True)
    if names == "fairseq":
        write_whole(path, partial(write_torch, fairseq_checkpoint(weights, config)))
    else:
        check_port(config)
        write_whole(path, partial(write_flat, huggingface_tensors(weights, config), path.suffix))
        text = json.dumps(huggingface_settings(config), indent=1, sort_keys=True)
        written[1].write_text(text + "\n")
    return written


def check_exportable(folder: Path) -> None:
    """UserError, with what it is, for a folder that is none of our models."""
    missing = [name for name in (WEIGHTS, CONFIG) if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{folder} holds no model" if folder.is_dir() else f"{folder} is no folder",
            why=f"a model is {WEIGHTS} and {CONFIG}; there is no {' and no '.join(missing)}",
            next_command="name a folder that a training or biomedgpt import has made: "
            "ls -d data/models/*/*",
        )
    try:
        keys = set(json.loads((folder / CONFIG).read_text()))
    except (ValueError, TypeError) as error:
        raise UserError(f"{folder / CONFIG} is no config", why=str(error)) from None
    if "num_codes" in keys:
        raise UserError(
            f"{folder} is an image tokenizer, and only models are exported",
            why=f"nothing needs to be renamed: its {WEIGHTS} has the names that taming gives",
        )
    if "model_type" in keys:
        raise UserError(
            f"{folder} was written by transformers",
            next_command="BiomedGptForConditionalGeneration.from_pretrained(...).to_folder(...), "
            "and export what that makes",
        )


def check_port(config: ModelConfig) -> None:
    """UserError for a model that the Hugging Face port would compute otherwise, without a word."""
    unknown = {
        "positions added to the decoder's input (disable_entangle false)": (
            not config.disable_entangle
        ),
        "scaled residuals (scale_resids)": config.scale_resids,
        "resized image positions (interpolate_position)": config.interpolate_position,
        f"attention scaled by {config.attn_scale_factor:g} (attn_scale_factor), not by 2": (
            config.attn_scale_factor != 2
        ),
    }
    found = [words for words, is_so in unknown.items() if is_so]
    if found:
        raise UserError(
            "the Hugging Face port cannot hold this model",
            why=f"it has {', '.join(found)}, of which the port knows nothing",
            next_command="--names fairseq",
        )


def fairseq_checkpoint(weights: dict[str, Tensor], config: ModelConfig) -> dict[str, Any]:
    """What fairseq's loader looks for, all of it plain data. It has not been trained on."""
    return {
        "args": None,
        "cfg": {
            "model": fairseq_settings(config),
            "task": {"orig_patch_image_size": config.original_image_size},
        },
        "model": fairseq_tensors(weights, config),
        "criterion": None,
        "optimizer_history": [
            {
                "criterion_name": "",
                "optimizer_name": "",
                "lr_scheduler_state": {"best": None},
                "num_updates": 0,
            }
        ],
        "task_state": {},
        "extra_state": {"train_iterator": {"epoch": 1, "iterations_in_epoch": 0}},
        "last_optimizer_state": None,
    }


def write_flat(tensors: dict[str, Tensor], suffix: str, path: Path) -> None:
    """Write tensors by name, in the format of a suffix; safetensors hold no shared storage."""
    if suffix == ".safetensors":
        apart = {name: value.clone() for name, value in tensors.items()}
        with refusals_numbered(path, SafetensorError):
            save_file(apart, path, metadata={"format": "pt"})
    else:
        write_torch(tensors, path)


def write_torch(values: dict[str, Any], path: Path) -> None:
    """Write what ``torch.load`` reads. OSError where the machine refuses: given a path, torch would
    not say why."""
    with path.open("wb") as file, refusals_numbered(path, RuntimeError):
        torch.save(values, file)


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Have a file written that appears under its name when it is whole.

    It can be read by whom any new file can: safetensors would close it to all other users.
    """
    # of two who write the same file at once, each has its own until it is whole
    unfinished = path.with_name(f"{path.name}.partial-{secrets.token_hex(4)}")
    try:
        unfinished.touch()
        mode = unfinished.stat().st_mode
        write(unfinished)
        unfinished.chmod(mode)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
