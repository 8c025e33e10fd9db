"""A checkpoint's tensors held against our model: names, shapes, kinds, copies, tables, numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from components.checkpoints.faults import Fault, Shape, compare_names
from components.checkpoints.names import (
    DERIVED,
    IMAGE_TABLES,
    POSITION_IDS,
    TIED,
    TOKEN_TABLES,
    TOKENS,
    code_grid_side,
    derive_table,
    from_huggingface,
)
from components.checkpoints.settings import Settings
from components.checkpoints.shapes import read_config, read_vqgan_config
from components.errors import UserError
from components.model.config import MAX_POSITIONS, VOCABULARY_SIZE, ModelConfig
from components.model.weights import blank_model
from components.tokenization.vqgan import Vqgan, VqganConfig

IMAGE_POSITIONS = ("encoder.embed_image_positions.weight", "decoder.embed_image_positions.weight")
# What taming keeps for training alone: losses with their discriminator, and averages.
TRAINING_PARTS = re.compile(r"(loss|model_ema)\.|colorize$")
KINDS = {"fairseq": "encoder_attn", "huggingface": "cross_attn"}
LAYER_PART = re.compile(r"decoder\.layers\.\d+\.(encoder_attn|cross_attn)\.")


@dataclass(frozen=True)
class Match:
    """Tensors ready to load, and what was found on the way.

    ``fresh`` names tensors of ours that the file does not give, ``left_out`` those of the file that
    served training alone. ``copies`` and ``tables`` say ``equal`` or ``differs`` of each that the
    file holds.
    """

    config: ModelConfig | VqganConfig
    tensors: dict[str, Tensor]
    faults: list[Fault]
    fresh: list[str]
    left_out: list[str]
    assumed: dict[str, Any] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)


def detect_kind(names: Collection[str]) -> str:
    """``fairseq``, ``huggingface`` or ``taming``, from what the tensors are called."""
    if {"quantize.embed.weight", "encoder.conv_in.weight"} <= set(names):
        return "taming"
    parts = {found[1] for found in map(LAYER_PART.match, names) if found}
    kinds = [kind for kind, part in KINDS.items() if part in parts]
    if len(kinds) == 1:
        return kinds[0]
    raise UserError(
        "it holds neither a model nor an image tokenizer"
        if not kinds
        else "it mixes the names of fairseq and of the Hugging Face port",
        why=f"its {len(names)} tensors are called {sorted(names)[:4]} and so on",
    )


def rename(tensors: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """Tensors under our names."""
    if kind != "huggingface":
        return dict(tensors)
    renamed = {from_huggingface(name): value for name, value in tensors.items()}
    if len(renamed) < len(tensors):
        raise UserError("it mixes the names of fairseq and of the Hugging Face port")
    return renamed


def match_model(
    tensors: Mapping[str, Tensor], settings: Settings, accept: Collection[str] = ()
) -> Match:
    """Hold tensors under our names against the model that their shapes describe."""
    config, assumed, faults = read_config(shapes_of(tensors), settings)
    copies = {name: _same(tensors[name], tensors[TOKENS]) for name in TIED if name in tensors}
    tables = {
        name: _check_table(name, tensors[name], config) for name in DERIVED if name in tensors
    }
    faults += [
        Fault("copy", name, f"is not the copy of {TOKENS} that it should be", "tied_copies")
        for name, verdict in copies.items()
        if verdict != "equal"
    ]
    faults += [
        Fault("table", name, "is not the table that the architecture derives", "derived_tables")
        for name, verdict in tables.items()
        if verdict != "equal"
    ]
    weights = {name: tensors[name] for name in tensors if name not in {*TIED, *DERIVED}}
    config, repaired = _repair(weights, config, accept)
    wanted = blank_model(config).state_dict()
    taken, fresh, others = _hold_against(weights, wanted)
    known = {fault.name for fault in repaired}
    faults += repaired + [fault for fault in others if fault.name not in known]
    return Match(config, taken, faults, fresh, [], assumed, copies, tables)


def match_tokenizer(tensors: Mapping[str, Tensor]) -> Match:
    """Hold taming's tensors against the image tokenizer that their shapes describe."""
    left_out = [name for name in tensors if TRAINING_PARTS.match(name)]
    weights = {name: tensors[name] for name in tensors if name not in set(left_out)}
    config = read_vqgan_config(shapes_of(weights))
    taken, fresh, faults = _hold_against(weights, Vqgan(config).state_dict())
    return Match(config, taken, faults, fresh, left_out)


def _hold_against(
    weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str], list[Fault]]:
    """The tensors that can be loaded, the names that no tensor fits, and all faults."""
    fits = [
        name for name in wanted if name in weights and weights[name].shape == wanted[name].shape
    ]
    faults = compare_names(shapes_of(wanted), shapes_of(weights))
    for name in fits:
        value = weights[name]
        if value.is_floating_point() != wanted[name].is_floating_point() or value.is_complex():
            faults.append(Fault("kind", name, f"holds {value.dtype}, not {wanted[name].dtype}"))
        elif not value.is_meta and not bool(torch.isfinite(value.float()).all()):
            faults.append(Fault("numbers", name, "holds numbers that are not finite"))
    return {name: weights[name] for name in fits}, sorted(wanted.keys() - set(fits)), faults


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Shapes by name."""
    return {name: tuple(value.shape) for name, value in tensors.items()}


def _same(value: Tensor, other: Tensor) -> str:
    same = value.shape == other.shape and (value.is_meta or torch.equal(value, other))
    return "equal" if same else "differs"


def _check_table(name: str, value: Tensor, config: ModelConfig) -> str:
    """Whether a table of the file is ours; one of text may have another side, and the list of code
    positions the port's length.

    No table is made of a size that a file only names: what has another shape is seen by it.
    """
    if name in TOKEN_TABLES:
        side = max(value.shape[:1], default=0)
        if value.shape != (side, side) or not 1 <= side <= MAX_POSITIONS:
            return "differs"
        ours = derive_table(name, config, rows=side)
    elif name in IMAGE_TABLES and value.shape[:1] != (config.image_bucket_size**2 + 1,):
        return "differs"
    elif name == POSITION_IDS and code_grid_side(value.numel()) == config.code_image_size // 8:
        ours = derive_table(name, config, rows=value.numel())
    else:
        ours = derive_table(name, config)
    return _same(value.to(ours.dtype), ours)


def _repair(
    weights: dict[str, Tensor], config: ModelConfig, accept: Collection[str]
) -> tuple[ModelConfig, list[Fault]]:
    """Mend, in place, what older checkpoints lack and a person accepts; each is a fault as well.

    As the reference's loader does: a row above the released vocabulary is cut off, missing image
    positions are drawn from normal(0, D^-0.5), counters of frozen batch norms are zero.
    """
    found: list[Fault] = []
    if config.vocabulary_size == VOCABULARY_SIZE + 1:
        words = f"has one row more than the released {VOCABULARY_SIZE:,}"
        found.append(Fault("shape", TOKENS, words, "long_vocabulary"))
        if found[-1].is_accepted(accept):
            weights[TOKENS] = weights[TOKENS][:-1]
            config = ModelConfig(**{**vars(config), "vocabulary_size": VOCABULARY_SIZE})
    rows = config.image_bucket_size**2 + 1
    for name in IMAGE_POSITIONS:
        table = weights.get(name)
        if table is None or table.shape[1:] != (config.d_model,) or len(table) >= rows:
            continue
        words = f"has {len(table)} rows, not {rows}"
        found.append(Fault("shape", name, words, "short_image_positions"))
        if found[-1].is_accepted(accept):
            generator = torch.Generator().manual_seed(0)
            drawn = torch.randn(rows - len(table), config.d_model, generator=generator)
            weights[name] = torch.cat([table.float(), drawn * config.d_model**-0.5])
    return config, found
