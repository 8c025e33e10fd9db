"""Our own checkpoint format: safetensors for the weights, JSON for the config, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.overrides import TorchFunctionMode

from components.errors import UserError, damaged, refusals_numbered
from components.model.config import ModelConfig
from components.model.flops import parameters_by_part
from components.model.model import UnifiedModel

WEIGHTS, CONFIG = "model.safetensors", "config.json"
# What torch says of a shape that safetensors lets pass: of no numbers, in more places than fit.
MISSHAPEN = (TypeError, RuntimeError, OverflowError)


def save_model(model: UnifiedModel, folder: Path) -> None:
    """Write weights and config; each file appears under its name only when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    partial = folder / (WEIGHTS + ".partial")
    partial.touch()
    mode = partial.stat().st_mode
    write_tensors(tensors, partial)  # which lets nobody else read it
    partial.chmod(mode)
    partial.replace(folder / WEIGHTS)
    partial = folder / (CONFIG + ".partial")
    partial.write_text(model.config.to_json())
    partial.replace(folder / CONFIG)


def write_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """A file of safetensors; where the machine refuses, OSError as of any other file.

    The library itself tells of a full disk in words alone.
    """
    with refusals_numbered(path, SafetensorError):
        save_file(tensors, path)


def load_model(folder: Path, *, mapped: bool = False, **changes: Any) -> UnifiedModel:
    """Read a model saved by ``save_model``; ``changes`` override config values such as dropout.

    ``mapped`` leaves the weights in the file until they are used, which takes half the memory; for
    a model that only answers, as kernels round by where a number lies. Raises UserError when a file
    is missing or damaged, or names and shapes do not match exactly.
    """
    for name in (WEIGHTS, CONFIG):
        if not (folder / name).is_file():
            raise UserError(
                f"{folder / name} is missing",
                next_command="biomedgpt run where it was made, or biomedgpt get it again",
            )
    config = read_config(folder, **changes)
    _check_size(config, folder)
    model = blank_model(config)
    try:
        tensors = load_file(folder / WEIGHTS)
    except (SafetensorError, *MISSHAPEN) as error:
        raise damaged(folder / WEIGHTS, str(error).partition("\n")[0]) from None
    check_names(model, tensors, folder / WEIGHTS)
    model.load_state_dict(tensors, assign=mapped)
    return model


def _check_size(config: ModelConfig, folder: Path) -> None:
    """UserError where the config speaks of more numbers than the file has bytes: it would be built
    before the two were compared, and nothing says how large that may be."""
    claimed, held = sum(parameters_by_part(config).values()), (folder / WEIGHTS).stat().st_size
    if claimed > held:
        why = f"{CONFIG} speaks of {claimed:,} parameters, the file has {held:,} bytes"
        raise damaged(folder / WEIGHTS, why)


def read_config(folder: Path, **changes: Any) -> ModelConfig:
    """The config of a saved model; UserError, with folder and reason, where it is none."""
    path = folder / CONFIG
    try:
        return ModelConfig.from_json(path.read_bytes(), **changes)
    except UserError as error:
        remake = error.next_command or damaged(path, error.why).next_command
        raise UserError(f"{folder}: {error.what}", why=error.why, next_command=remake) from None


class _SkipInitialisation(TorchFunctionMode):
    """Leaves fresh weights undrawn: they are about to be overwritten."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> torch.Tensor:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            undrawn: torch.Tensor = kwargs["tensor"] if "tensor" in kwargs else args[0]
            return undrawn
        result: torch.Tensor = func(*args, **kwargs)
        return result


def blank_model(config: ModelConfig) -> UnifiedModel:
    """A model whose weights hold no numbers yet; its tables of positions do.

    Not on the meta device, where the first operation starts torch's compiler: two seconds.
    """
    with _SkipInitialisation():
        return UnifiedModel(config)


def count_parameters(folder: Path) -> int:
    """Number of parameters of a saved model, the tied matrix once, statistics not."""
    model = blank_model(read_config(folder))
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
        raise UserError(
            f"{where}: {len(faults)} tensors do not match",
            why="; ".join(faults[:20]),
            next_command=f"lay the {CONFIG} beside it that was written with these weights",
        )
