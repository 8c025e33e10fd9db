"""Settings of public checkpoints, from and to our config: fairseq's flags, the port's config.

Sizes are read off the tensors, as nothing else is sure to be there; settings are held against
them. What no tensor shows (scale factor, dropout) is read from the settings, or assumed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from components.checkpoints.faults import Fault
from components.model.config import ModelConfig

Settings = Mapping[str, Any]

FAIRSEQ = {
    "d_model": ("encoder_embed_dim", "decoder_embed_dim"),
    "ffn_dim": ("encoder_ffn_embed_dim", "decoder_ffn_embed_dim"),
    "encoder_layers": ("encoder_layers",),
    "decoder_layers": ("decoder_layers",),
    "num_heads": ("encoder_attention_heads", "decoder_attention_heads"),
    "max_positions": ("max_source_positions", "max_target_positions"),
    "token_bucket_size": ("token_bucket_size",),
    "image_bucket_size": ("image_bucket_size",),
    "code_image_size": ("code_image_size",),
    "scale_resids": ("scale_resids",),
    "attn_scale_factor": ("attn_scale_factor",),
    "disable_entangle": ("disable_entangle",),
    "interpolate_position": ("interpolate_position",),
    "original_image_size": ("orig_patch_image_size",),
    "dropout": ("dropout",),
    "attention_dropout": ("attention_dropout",),
    "drop_path": ("encoder_drop_path_rate", "decoder_drop_path_rate"),
    "trunk_drop_path": ("resnet_drop_path_rate",),
    "init_std": ("init_std",),
}
HUGGINGFACE = {
    **FAIRSEQ,
    "vocabulary_size": ("vocab_size",),
    "d_model": ("d_model",),
    "ffn_dim": ("encoder_ffn_dim", "decoder_ffn_dim"),
    "max_positions": ("max_position_embeddings",),
}
NAMES = {
    field: tuple(dict.fromkeys((*FAIRSEQ.get(field, ()), *HUGGINGFACE[field])))
    for field in HUGGINGFACE
}
# Settings with one value in this architecture. Another gives other numbers from the same tensors.
FIXED = {
    "activation_fn": "gelu",
    "add_type_embedding": True,
    "adapter": False,
    "code_layernorm_embedding": True,
    "decoder_normalize_before": True,
    "decoder_prompt": False,
    "encoder_normalize_before": True,
    "encoder_prompt": False,
    "entangle_position_embedding": False,
    "layernorm_embedding": True,
    "no_scale_embedding": True,
    "patch_layernorm_embedding": True,
    "scale_attn": True,
    "scale_fc": True,
    "scale_heads": True,
    "share_all_embeddings": True,
    "sync_bn": False,
}
PORT_FIXED = {
    "activation_function": "gelu",
    "add_type_embedding": True,
    "code_layernorm_embedding": True,
    "decoder_normalize_before": True,
    "encoder_normalize_before": True,
    "entangle_position_embedding": False,
    "layernorm_embedding": True,
    "normformer": True,
    "patch_layernorm_embedding": True,
    "scale_embedding": False,
    "share_decoder_input_output_embed": True,
}
TRUNKS = {
    "resnet18": (2, 2, 2),
    "resnet34": (3, 4, 6),
    "resnet50": (3, 4, 6),
    "resnet101": (3, 4, 23),
    "resnet152": (3, 8, 36),
}
SHOWN_BY_TENSORS = (
    "vocabulary_size",
    "d_model",
    "ffn_dim",
    "encoder_layers",
    "decoder_layers",
    "num_heads",
    "max_positions",
    "token_bucket_size",
    "image_bucket_size",
    "code_image_size",
    "scale_resids",
)
RATES = {"dropout", "attention_dropout", "drop_path", "trunk_drop_path"}
DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(ModelConfig)}


def stated(settings: Settings, field: str) -> Any:
    """The first value that the settings give for a field of our config, or None."""
    values = (settings.get(name) for name in NAMES.get(field, ()))
    return next((value for value in values if value is not None), None)


def is_sound(field: str, value: Any) -> bool:
    """Whether a value from a file may stand in our config."""
    default = DEFAULTS[field]
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    if field in RATES:
        return 0.0 <= value < 1.0
    return bool(value > 0) and (isinstance(default, float) or isinstance(value, int))


def check_settings(settings: Settings, config: ModelConfig) -> list[Fault]:
    """Settings that contradict the tensors or this architecture."""
    ours = {name: getattr(config, field) for field in SHOWN_BY_TENSORS for name in NAMES[field]}
    ours |= {**FIXED, **PORT_FIXED}
    faults = [
        Fault("settings", f"settings.{name}", f"the file says {settings[name]!r}, not {value!r}")
        for name, value in ours.items()
        if settings.get(name) is not None and settings[name] != value
    ]
    trunk = settings.get("resnet_type")
    blocks = TRUNKS.get(trunk) if isinstance(trunk, str) else None
    if blocks is not None and blocks != config.trunk_blocks:
        words = f"the file says {trunk}, its tensors have {list(config.trunk_blocks)} blocks"
        faults.append(Fault("settings", "settings.resnet_type", words))
    return faults


def fairseq_settings(config: ModelConfig) -> dict[str, Any]:
    """The flags that fairseq keeps under ``cfg.model``."""
    return {**FIXED, **_named(config, FAIRSEQ)}


def huggingface_settings(config: ModelConfig) -> dict[str, Any]:
    """The port's config.json."""
    return {
        "model_type": "ofa",
        "architectures": ["OFAModel"],
        **PORT_FIXED,
        **_named(config, HUGGINGFACE),
    }


def _named(config: ModelConfig, names: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    trunks = [name for name, blocks in TRUNKS.items() if blocks == config.trunk_blocks]
    # resnet34 has the blocks of resnet50, which is what the reference builds for both.
    trunk = "resnet50" if "resnet50" in trunks else next(iter(trunks), None)
    values = {name: getattr(config, field) for field in names for name in names[field]}
    return {**values, "resnet_type": trunk}
