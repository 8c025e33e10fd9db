"""Configs read off the shapes of a checkpoint's tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from components.checkpoints.faults import Fault, Shape
from components.checkpoints.names import POSITION_IDS, TOKENS, code_grid_side
from components.checkpoints.settings import (
    DEFAULTS,
    Settings,
    check_settings,
    is_sound,
    stated,
)
from components.errors import UserError
from components.model.config import MAX_POSITIONS, ModelConfig
from components.tokenization.vqgan import VqganConfig

FREE = (
    "attn_scale_factor",
    "disable_entangle",
    "interpolate_position",
    "original_image_size",
    "dropout",
    "attention_dropout",
    "drop_path",
    "trunk_drop_path",
    "init_std",
)
# Not worth a line when assumed: they act in training only, and every run sets its own.
TRAINING_ONLY = {"dropout", "attention_dropout", "drop_path", "trunk_drop_path", "init_std"}


def size_at(shapes: Mapping[str, Shape], name: str, axis: int) -> int:
    """One dimension of a tensor that the size is read from; UserError where it is not there."""
    shape = shapes.get(name, ())
    if len(shape) <= axis or shape[axis] < 1:
        raise UserError(
            f"the size of the model cannot be told: {name} is "
            + (f"of shape {list(shape)}" if name in shapes else "missing"),
            why="sizes are read off the tensors' shapes",
            next_command="import a whole checkpoint",
        )
    return shape[axis]


def count_parts(shapes: Mapping[str, Shape], prefix: str) -> int:
    """How many different indices follow a prefix such as ``encoder.layers.``."""
    return len({name[len(prefix) :].split(".")[0] for name in shapes if name.startswith(prefix)})


def read_config(
    shapes: Mapping[str, Shape], settings: Settings
) -> tuple[ModelConfig, dict[str, Any], list[Fault]]:
    """The model's config, the values that had to be assumed, and contradictions.

    ``shapes`` are under our names. UserError where a size cannot be told or cannot be right.
    """
    sizes = _model_sizes(shapes, settings)
    _check_sizes(sizes)
    _check_held(_least_numbers(**sizes), shapes)
    free: dict[str, Any] = {}
    faults: list[Fault] = []
    for field in FREE:
        value = stated(settings, field)
        if value is not None and is_sound(field, value):
            free[field] = type(DEFAULTS[field])(value)
        elif value is not None:
            faults.append(Fault("settings", f"settings.{field}", f"{value!r} cannot be right"))
    config = ModelConfig(**sizes, **free)
    assumed = {
        field: getattr(config, field)
        for field in FREE
        if field not in free and field not in TRAINING_ONLY
    }
    if not _listed_side(shapes) and stated(settings, "code_image_size") is None:
        assumed["code_image_size"] = config.code_image_size
    return config, assumed, faults + check_settings(settings, config)


def _model_sizes(shapes: Mapping[str, Shape], settings: Settings) -> dict[str, Any]:
    trunk = "encoder.embed_images"
    return {
        "vocabulary_size": size_at(shapes, TOKENS, 0),
        "d_model": size_at(shapes, TOKENS, 1),
        "ffn_dim": size_at(shapes, "encoder.layers.0.fc1.weight", 0),
        "encoder_layers": count_parts(shapes, "encoder.layers."),
        "decoder_layers": count_parts(shapes, "decoder.layers."),
        "num_heads": size_at(shapes, "encoder.token_rel_pos_table_list.0.weight", 1),
        "trunk_blocks": tuple(count_parts(shapes, f"{trunk}.layer{i}.") for i in (1, 2, 3)),
        "trunk_width": size_at(shapes, f"{trunk}.conv1.weight", 0),
        "max_positions": size_at(shapes, "encoder.embed_positions.weight", 0) - 2,
        "token_bucket_size": (size_at(shapes, "encoder.token_rel_pos_table_list.0.weight", 0) + 1)
        // 2,
        "image_bucket_size": _image_side(shapes),
        "code_image_size": _code_image_size(shapes, settings),
        "scale_resids": any(name.endswith(".w_resid") for name in shapes),
    }


def _code_image_size(shapes: Mapping[str, Shape], settings: Settings) -> int:
    """Pixels that the list of code positions stands for, else what the settings say."""
    if listed := _listed_side(shapes):
        return 8 * listed
    said = stated(settings, "code_image_size")
    largest = 8 * _image_side(shapes)
    return said if isinstance(said, int) and not isinstance(said, bool) else min(128, largest)


def _listed_side(shapes: Mapping[str, Shape]) -> int:
    """Cells a side of the list of code positions; 0 where there is none, or it is of no grid."""
    return code_grid_side(size_at(shapes, POSITION_IDS, 0)) if POSITION_IDS in shapes else 0


def _image_side(shapes: Mapping[str, Shape]) -> int:
    """Cells a side of which the relative tables know; they hold (2 n - 1)^2 + 3 rows."""
    rows = size_at(shapes, "encoder.image_rel_pos_table_list.0.weight", 0)
    return (math.isqrt(max(rows - 3, 1)) + 1) // 2


def _check_sizes(sizes: Mapping[str, Any]) -> None:
    """UserError for sizes of which no model can be made."""
    width, heads = sizes["d_model"], sizes["num_heads"]
    grid = sizes["code_image_size"] // 8
    wrongs = {
        f"a width of {width} does not divide into {heads} heads": width % heads != 0,
        "it has no layers, or no trunk": 0
        in (sizes["encoder_layers"], sizes["decoder_layers"], *sizes["trunk_blocks"]),
        f"{sizes['max_positions']} positions are not in 1 to {MAX_POSITIONS}": not 1
        <= sizes["max_positions"]
        <= MAX_POSITIONS,
        f"{grid} x {grid} codes do not fit {sizes['image_bucket_size']} positions a side": not 1
        <= grid
        <= sizes["image_bucket_size"],
    }
    for words, is_wrong in wrongs.items():
        if is_wrong:
            raise UserError("the shapes of the tensors make no model", why=words)


def _least_numbers(
    *,
    d_model: int,
    ffn_dim: int,
    encoder_layers: int,
    decoder_layers: int,
    num_heads: int,
    trunk_blocks: tuple[int, ...],
    trunk_width: int,
    image_bucket_size: int,
    **_: Any,
) -> int:
    """The numbers in the largest matrices of a model: projections, convolutions, image tables."""
    layers, cells = encoder_layers + decoder_layers, image_bucket_size**2
    attention = 4 * d_model**2 * (layers + decoder_layers)
    convolutions = 17 * sum(n * (trunk_width << i) ** 2 for i, n in enumerate(trunk_blocks))
    positions = 2 * cells * d_model + 4 * cells * num_heads * layers
    return attention + 2 * d_model * ffn_dim * layers + convolutions + positions


def _check_held(least: int, shapes: Mapping[str, Shape]) -> None:
    """UserError where a model has far more numbers than its file.

    Layers are counted by their names, which take no room: a small file could name a model that
    fills the memory of whoever imports it.
    """
    held = sum(math.prod(shape) for shape in shapes.values())
    if least > 2 * held:
        raise UserError(
            "the shapes of the tensors make no model",
            why=f"it would have at least {least:,} numbers, and the file holds {held:,}",
            next_command="import a whole checkpoint",
        )


def read_vqgan_config(shapes: Mapping[str, Shape]) -> VqganConfig:
    """The image tokenizer's config; group norms have the 32 groups that taming gives them all."""
    channels = size_at(shapes, "encoder.conv_in.weight", 0)
    levels = count_parts(shapes, "encoder.down.")
    widths = [
        size_at(shapes, f"encoder.down.{level}.block.0.conv2.weight", 0) for level in range(levels)
    ]
    config = VqganConfig(
        channels=channels,
        latent=size_at(shapes, "quantize.embed.weight", 1),
        num_codes=size_at(shapes, "quantize.embed.weight", 0),
        multipliers=tuple(width // channels for width in widths),
        num_blocks=count_parts(shapes, "encoder.down.0.block."),
        in_channels=size_at(shapes, "encoder.conv_in.weight", 1),
    )
    if not widths or any(width % config.num_groups for width in (channels, *widths)):
        raise UserError(
            "the shapes of the tensors make no image tokenizer",
            why=f"widths {widths} do not divide into {config.num_groups} groups",
        )
    _check_held(36 * config.num_blocks * sum(width**2 for width in widths), shapes)
    return config
