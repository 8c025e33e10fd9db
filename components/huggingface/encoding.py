"""The encoder as transformers calls it, and what it hands to the decoder.

Shape letters: B sources, b is 1 or B, S source tokens, P image cells, N = P + S, D width,
H and W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn
from transformers.utils.generic import ModelOutput

from components.errors import UserError
from components.huggingface.arguments import pad_masked, refuse_unsupported
from components.model.encoder import Encoded
from components.model.model import UnifiedModel


@dataclass
class EncoderOutput(ModelOutput):
    """States (B, N, D), padding (B, N) or None, positions (b, N, D); states of each layer."""

    last_hidden_state: Tensor | None = None
    padding: Tensor | None = None
    positions: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None

    @property
    def encoded(self) -> Encoded:
        """The same, as our decoder reads it."""
        if self.last_hidden_state is None or self.positions is None:
            raise UserError(
                "encoder_outputs lack the encoder's positions",
                why="the decoder's biases come from them",
                next_command="take encoder_outputs from model.get_encoder()(input_ids, ...)",
            )
        return Encoded(self.last_hidden_state, self.padding, self.positions)


class UnifiedEncoder(nn.Module):
    """A view of a model's encoder; it owns no weights."""

    main_input_name = "input_ids"

    def __init__(self, unified: UnifiedModel) -> None:
        super().__init__()
        self.unified = unified

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        *,
        image_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,  # noqa: ARG002 - transformers always passes it
    ) -> EncoderOutput:
        """Encode (B, S) ids and (B, 3, H, W) images.

        A source token whose ``attention_mask`` is 0 is taken as pad; UserError for padding on
        the left, which would move positions. ``image_mask`` False hides a sample's image.
        """
        refuse_unsupported({"inputs_embeds": inputs_embeds, "output_attentions": output_attentions})
        if input_ids is None:
            raise UserError("the encoder needs input_ids")
        input_ids = pad_masked(input_ids, attention_mask, "input_ids")
        if pixel_values is not None:
            pixel_values = pixel_values.to(self.unified.encoder.image_proj.weight.dtype)
        if image_mask is not None:
            image_mask = image_mask.bool()
        with layer_inputs(self.unified.encoder.layers, wanted=bool(output_hidden_states)) as states:
            encoded = self.unified.encode(input_ids, pixel_values, image_mask)
        return EncoderOutput(
            last_hidden_state=encoded.states,
            padding=encoded.padding,
            positions=encoded.positions,
            hidden_states=(*states, encoded.states) if output_hidden_states else None,
        )


@contextmanager
def layer_inputs(layers: nn.ModuleList, *, wanted: bool) -> Iterator[list[Tensor]]:
    """What enters each layer while the context is open; nothing is kept unless wanted."""
    kept: list[Tensor] = []

    def keep(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        kept.append(arguments[0])

    hooks = [layer.register_forward_pre_hook(keep) for layer in layers] if wanted else []
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()
