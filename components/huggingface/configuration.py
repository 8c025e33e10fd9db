"""The config that transformers stores beside the weights: our model's, under its own names."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from transformers import PreTrainedConfig

from components.errors import UserError, check_format
from components.model.config import ModelConfig, model_config
from components.model.specials import BOS, EOS, PAD

FIELDS = tuple(field.name for field in dataclasses.fields(ModelConfig))
SPECIALS = {
    "bos_token_id": BOS,
    "pad_token_id": PAD,
    "eos_token_id": EOS,
    "decoder_start_token_id": BOS,
}


class BiomedGptConfig(PreTrainedConfig):
    """Every field of ``ModelConfig``; one that is not given has the value of size ``base``.

        from components.huggingface.configuration import BiomedGptConfig
        from components.model.config import model_config

        config = BiomedGptConfig.of(model_config("large"))
        config.hidden_size, config.vocab_size  # 1024, 59457
        config.shape == model_config("large")  # True

    It also reads the config.json that ``components.model.weights`` writes.
    """

    model_type = "biomedgpt"
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]
    attribute_map: ClassVar[dict[str, str]] = {
        "vocab_size": "vocabulary_size",
        "hidden_size": "d_model",
        "num_hidden_layers": "encoder_layers",
        "num_attention_heads": "num_heads",
        "max_position_embeddings": "max_positions",
    }

    def __init__(self, **values: Any) -> None:
        mapped = {self.attribute_map.get(name, name): value for name, value in values.items()}
        defaults = dataclasses.asdict(model_config("base")) | SPECIALS
        values = defaults | mapped | {"is_encoder_decoder": True, "tie_word_embeddings": True}
        values["trunk_blocks"] = list(values["trunk_blocks"])  # as JSON gives it back
        super().__init__(**values)

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """A config from what a config.json holds; UserError where it leaves a field out, or a newer
        package wrote it.

        A field that a file does not name would otherwise become that of size ``base``.
        """
        config_dict = check_format(config_dict, "config.json")
        named = {cls.attribute_map.get(name, name) for name in config_dict}
        missing = [name for name in FIELDS if name not in named]
        if missing:
            raise UserError(f"config.json lacks {missing}", why="the architecture depends on them")
        return super().from_dict(config_dict, **kwargs)

    @classmethod
    def of(cls, config: ModelConfig) -> BiomedGptConfig:
        """The config of one of our own."""
        return cls(**dataclasses.asdict(config))

    @property
    def shape(self) -> ModelConfig:
        """Our own config, as ``UnifiedModel`` takes it."""
        values = {name: getattr(self, name) for name in FIELDS}
        return ModelConfig(**{**values, "trunk_blocks": tuple(values["trunk_blocks"])})
