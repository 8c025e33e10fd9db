"""What ``generate`` of transformers does otherwise for this model.

The defaults and the rules of the search are in components/huggingface/generation.py.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import GenerationConfig, GenerationMixin

from components.errors import UserError
from components.huggingface.generation import DEFAULT_LENGTH

DRAFTS = ("use_mtp", "prompt_lookup_num_tokens", "assistant_early_exit")


class SearchGenerationMixin(GenerationMixin):
    """``generate`` with a length of its own, shared sources, and no assisted generation."""

    def _validate_generated_length(
        self,
        generation_config: GenerationConfig,
        input_ids_length: int,
        has_default_max_length: bool,
    ) -> None:
        """Set our length where nobody named one.

        It does not stand in the generation config, where it would collide with ``max_new_tokens``.
        """
        if has_default_max_length and generation_config.max_new_tokens is None:
            generation_config.max_length = DEFAULT_LENGTH
        super()._validate_generated_length(generation_config, input_ids_length, False)  # type: ignore[misc]

    def _validate_generation_mode(
        self,
        generation_mode: Any,
        generation_config: GenerationConfig,
        generation_mode_kwargs: dict[str, Any],
    ) -> None:
        """UserError for assisted generation, under whichever name it was asked for."""
        asked = {name: getattr(generation_config, name, None) for name in DRAFTS}
        asked["assistant_model"] = generation_mode_kwargs.get("assistant_model")
        names = [name for name, value in asked.items() if value]
        if names:
            raise UserError(
                f"assisted generation ({', '.join(names)}) is not supported",
                why="drafted tokens that are refused cannot be taken out of this model's cache",
                next_command="leave it out: beams, sampling, greedy search and tries work",
            )
        super()._validate_generation_mode(  # type: ignore[misc]
            generation_mode, generation_config, generation_mode_kwargs
        )

    def _expand_inputs_for_generation(  # type: ignore[override]
        self,
        expand_size: int = 1,
        is_encoder_decoder: bool = False,  # noqa: ARG002 - part of the signature
        input_ids: Tensor | None = None,
        **model_kwargs: Any,
    ) -> tuple[Tensor | None, dict[str, Any]]:
        """Repeat the decoder's rows alone: beams share their source's states (see ``decode``)."""
        if input_ids is not None:
            input_ids = input_ids.repeat_interleave(expand_size, dim=0)
        return input_ids, model_kwargs

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        """No: ``forward`` makes a ``DecoderCache``, which holds position biases as well."""
        return False
