"""Names of public checkpoints: what is called otherwise, and what is derived, not learnt.

Our names are those of fairseq's checkpoints; the Hugging Face port renames some parts of a layer.
Both files also hold copies of the tied token matrix and tables that follow from the config.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from components.model.config import ModelConfig
from components.model.positions import code_ids, image_buckets, token_buckets

TOKENS = "encoder.embed_tokens.weight"
TIED = ("decoder.embed_tokens.weight", "decoder.output_projection.weight")
VERSIONS = ("encoder.version", "decoder.version")
POSITION_IDS = "decoder.image_position_idx"
TOKEN_TABLES = ("encoder.token_rp_bucket", "decoder.token_rp_bucket")
IMAGE_TABLES = ("encoder.image_rp_bucket", "decoder.image_rp_bucket")
DERIVED = (*VERSIONS, POSITION_IDS, *TOKEN_TABLES, *IMAGE_TABLES)

PORTED = {
    ("encoder", "attn_ln"): "self_attn_mid_layer_norm",
    ("encoder", "ffn_layernorm"): "ffn_layer_norm",
    ("decoder", "self_attn_ln"): "self_attn_mid_layer_norm",
    ("decoder", "cross_attn_ln"): "cross_attn_mid_layer_norm",
    ("decoder", "encoder_attn"): "cross_attn",
    ("decoder", "encoder_attn_layer_norm"): "cross_attn_layer_norm",
    ("decoder", "ffn_layernorm"): "ffn_layer_norm",
}
ORIGINAL = {(side, ported): part for (side, part), ported in PORTED.items()}
LAYER = re.compile(r"(encoder|decoder)\.layers\.(\d+)\.([^.]+)(.*)", re.DOTALL)

# The reference's table of text distances has this side, and its list of code positions so many
# fillers, whatever the model's own limits; what the port's own code saves has one filler less.
TABLE_SIDE, NUM_FILLERS, PORT_FILLERS, VERSION = 1024, 769, 768, 3.0


def to_huggingface(name: str) -> str:
    """The port's name of one of our tensors."""
    return _rename(name, PORTED)


def from_huggingface(name: str) -> str:
    """Our name of one of the port's tensors."""
    return _rename(name, ORIGINAL)


def _rename(name: str, table: Mapping[tuple[str, str], str]) -> str:
    found = LAYER.fullmatch(name)
    if found is None:
        return name
    side, index, part, rest = found.groups()
    return f"{side}.layers.{index}.{table.get((side, part), part)}{rest}"


def code_grid_side(num_positions: int) -> int:
    """Cells along a side of the grid that a list of code positions stands for; 0 where of none."""
    for fillers in (NUM_FILLERS, PORT_FILLERS):
        cells = max(num_positions - 1 - fillers, 0)
        if math.isqrt(cells) ** 2 == cells > 0:
            return math.isqrt(cells)
    return 0


def derive_table(name: str, config: ModelConfig, rows: int | None = None) -> Tensor:
    """The value of one of ``DERIVED``; ``rows`` asks for another length of a list or table."""
    if name in VERSIONS:
        return torch.tensor([VERSION])
    if name in TOKEN_TABLES:
        return token_buckets(rows or TABLE_SIDE, config.token_bucket_size)
    if name in IMAGE_TABLES:
        side = config.image_bucket_size
        ids = torch.arange(side * side + 1)
        return image_buckets(ids, ids, side)
    return code_ids(config, rows or (config.code_image_size // 8) ** 2 + 1 + NUM_FILLERS)


def fairseq_tensors(weights: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Our tensors with all that a fairseq checkpoint also holds. Copies share their storage."""
    token_table, image_table = (
        derive_table(names[0], config) for names in (TOKEN_TABLES, IMAGE_TABLES)
    )
    return {
        **weights,
        **dict.fromkeys(TIED, weights[TOKENS]),
        **dict.fromkeys(TOKEN_TABLES, token_table),
        **dict.fromkeys(IMAGE_TABLES, image_table),
        **{name: derive_table(name, config) for name in (*VERSIONS, POSITION_IDS)},
    }


def huggingface_tensors(weights: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Our tensors under the port's names, with its tables and copies; it has no version.

    The list of code positions is fairseq's, as a checkpoint has it that was renamed.
    """
    tensors = fairseq_tensors(weights, config)
    return {to_huggingface(name): tensors[name] for name in tensors if name not in VERSIONS}
