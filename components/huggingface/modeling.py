"""Our model under the classes of transformers: nothing of it is written twice.

The token matrix is one tensor that embeds and projects, so it is stored once and cannot come
untied. Reading weights is strict: a tensor that is missing, unknown or of another shape is an
error, never a random initialisation.

Shape letters: B sources, R target rows (a multiple of B), S source tokens, T target tokens,
N encoder positions, D width, V vocabulary, H and W pixels.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel, initialization
from transformers.modeling_outputs import Seq2SeqLMOutput, Seq2SeqModelOutput

from components.errors import UserError
from components.huggingface.arguments import pad_masked, refuse_unsupported
from components.huggingface.caching import DecoderCache
from components.huggingface.configuration import BiomedGptConfig
from components.huggingface.encoding import EncoderOutput, UnifiedEncoder, layer_inputs
from components.huggingface.generation import search_defaults
from components.huggingface.loading import check_loaded, lacks_generation_config
from components.huggingface.losses import IGNORED, token_loss
from components.huggingface.searching import SearchGenerationMixin
from components.model.decoder import Decoder
from components.model.encoder import Encoder
from components.model.model import UnifiedModel
from components.model.positions import token_buckets
from components.model.specials import BOS
from components.model.weights import save_model


class BiomedGptPreTrainedModel(PreTrainedModel):
    """``UnifiedModel`` with ``from_pretrained`` and ``save_pretrained``.

    ``from_pretrained`` opens what ``save_pretrained`` wrote and, as it stands, a folder of this
    pipeline (``data/models/...``); ``to_folder`` goes back. Weights are equal bit for bit.
    """

    config_class = BiomedGptConfig
    config: BiomedGptConfig
    base_model_prefix = "unified"
    input_modalities = ["image", "text"]  # noqa: RUF012 - transformers types it as a list
    _supports_sdpa = True

    def __init__(self, config: BiomedGptConfig) -> None:
        super().__init__(config)
        self.unified = UnifiedModel(config.shape)
        self.post_init()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As in transformers, but strict: UserError names what is missing, unknown, mis-shaped.

        ``ignore_mismatched_sizes=True`` admits other shapes, which then start at random.
        """
        name = pretrained_model_name_or_path
        wants_info = kwargs.pop("output_loading_info", False)
        admits_shapes = kwargs.pop("ignore_mismatched_sizes", False)
        if lacks_generation_config(name):
            kwargs.setdefault("generation_config", search_defaults())
        loaded: Any = super().from_pretrained(
            name, *args, output_loading_info=True, ignore_mismatched_sizes=True, **kwargs
        )
        model, found = loaded
        check_loaded(str(name), found, admits_shapes=admits_shapes)
        return (model, found) if wants_info else model

    def to_folder(self, folder: Path) -> None:
        """Write this model in our own format, which ``components.model.weights`` reads."""
        save_model(self.unified, folder)

    def get_encoder(self, modality: str | None = None) -> UnifiedEncoder:  # noqa: ARG002
        """The encoder, of text and images alike."""
        return UnifiedEncoder(self.unified).train(self.training)

    def get_input_embeddings(self) -> nn.Module:
        """The token matrix, which also projects."""
        return self.unified.encoder.embed_tokens

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the token matrix; the vocabulary has as many entries as it has rows."""
        self.unified.encoder.embed_tokens = value  # type: ignore[assignment]
        size = value.get_parameter("weight").shape[0]
        self.unified.config = replace(self.unified.config, vocabulary_size=size)

    def get_output_embeddings(self) -> None:
        """None: the token matrix is no second module."""
        return

    def features(
        self,
        *,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        pixel_values: Tensor | None,
        image_mask: Tensor | None,
        decoder_input_ids: Tensor | None,
        decoder_attention_mask: Tensor | None,
        code_mask: Tensor | None,
        encoder_outputs: EncoderOutput | None,
        past_key_values: DecoderCache | None,
        use_cache: bool | None,
        output_hidden_states: bool | None,
        **unsupported: Any,
    ) -> Seq2SeqModelOutput:
        """Features (R, T, D) and what goes with them; see ``BiomedGptModel.forward``."""
        refuse_unsupported({"output_attentions": self.config.output_attentions, **unsupported})
        if decoder_input_ids is None:
            raise UserError("the decoder needs decoder_input_ids, or labels to make them from")
        if past_key_values is None:
            decoder_input_ids = pad_masked(
                decoder_input_ids, decoder_attention_mask, "decoder_input_ids"
            )
        elif not isinstance(past_key_values, DecoderCache):
            kind = type(past_key_values).__name__
            raise UserError(f"past_key_values is a {kind}", why="only this model's cache will do")
        wants_states = bool(output_hidden_states or self.config.output_hidden_states)
        if encoder_outputs is None:
            encoder_outputs = self.get_encoder()(
                input_ids,
                attention_mask,
                pixel_values,
                image_mask=image_mask,
                output_hidden_states=wants_states,
            )
        encoded = encoder_outputs.encoded
        code_mask = None if code_mask is None else code_mask.bool()
        if use_cache and past_key_values is None:
            past_key_values = DecoderCache(self.unified, encoded, code_mask)
        with layer_inputs(self.unified.decoder.layers, wanted=wants_states) as states:
            if past_key_values is None:
                features = self.unified.decode(decoder_input_ids, encoded, code_mask)
            else:
                features = past_key_values.decode(decoder_input_ids)
        return Seq2SeqModelOutput(
            last_hidden_state=features,
            past_key_values=past_key_values,  # type: ignore[arg-type]
            decoder_hidden_states=(*states, features) if wants_states else None,
            encoder_last_hidden_state=encoder_outputs.last_hidden_state,
            encoder_hidden_states=encoder_outputs.hidden_states,
        )

    def _init_weights(self, module: nn.Module) -> None:
        """Rebuild the tables that no file holds.

        transformers builds models on the meta device and leaves such tables as they come out of
        memory. Parameters need nothing: ``UnifiedModel`` draws its own, and a file that lacks one
        is refused.
        """
        if isinstance(module, Encoder | Decoder):
            config = module.config
            buckets = token_buckets(config.max_positions, config.token_bucket_size)
            initialization.copy_(module.get_buffer("buckets"), buckets)


class BiomedGptModel(BiomedGptPreTrainedModel):
    """Encoder and decoder without the projection to tokens."""

    # transformers looks at the signature of ``forward``, so each class spells its arguments out.

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        *,
        image_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        code_mask: Tensor | None = None,
        encoder_outputs: EncoderOutput | None = None,
        past_key_values: DecoderCache | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
    ) -> Seq2SeqModelOutput | tuple[Any, ...]:
        """Features (R, T, D) of (R, T) decoder ids, given (B, S) source ids and (B, 3, H, W).

        ``code_mask`` (B,) marks sources whose target is a grid of image codes. With a cache the
        ids are those that follow what it holds. Hidden states are what enters each layer, and
        last the normed output. Consecutive decoder rows may share a source.
        """
        output = self.features(
            input_ids=input_ids,
            attention_mask=attention_mask,
            pixel_values=pixel_values,
            image_mask=image_mask,
            decoder_input_ids=decoder_input_ids,
            decoder_attention_mask=decoder_attention_mask,
            code_mask=code_mask,
            encoder_outputs=encoder_outputs,
            past_key_values=past_key_values,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            inputs_embeds=inputs_embeds,
            decoder_inputs_embeds=decoder_inputs_embeds,
            output_attentions=output_attentions,
        )
        return output if return_dict is not False else output.to_tuple()


class BiomedGptForConditionalGeneration(BiomedGptPreTrainedModel, SearchGenerationMixin):
    """The whole model: a loss with labels, and ``generate``.

        register()
        model = AutoModelForSeq2SeqLM.from_pretrained("data/hf/slake")
        processor = AutoProcessor.from_pretrained("data/hf/slake")
        inputs = processor(images=["scan.png"], text=["Is it a CT?"], prompt=["Is it a CT?"])
        tokens = model.generate(**inputs)
        processor.batch_decode(tokens, skip_special_tokens=True)

    ``generate`` searches as this project does (components/huggingface/generation.py): five beams
    unless told otherwise, so sampling asks for ``num_beams=1`` too.
    """

    def __init__(self, config: BiomedGptConfig) -> None:
        super().__init__(config)
        self.generation_config = search_defaults()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        *,
        image_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        code_mask: Tensor | None = None,
        encoder_outputs: EncoderOutput | None = None,
        past_key_values: DecoderCache | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        logits_to_keep: int = 0,
    ) -> Seq2SeqLMOutput | tuple[Any, ...]:
        """As ``BiomedGptModel``, with logits (R, T, V), and with (R, T) labels the mean loss.

        Labels of -100 or pad are not counted. Without ``decoder_input_ids`` the decoder reads
        the labels moved right by one, bos first. ``logits_to_keep`` projects only the last so
        many positions (0: all).
        """
        if decoder_input_ids is None and labels is not None:
            decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        output = self.features(
            input_ids=input_ids,
            attention_mask=attention_mask,
            pixel_values=pixel_values,
            image_mask=image_mask,
            decoder_input_ids=decoder_input_ids,
            decoder_attention_mask=decoder_attention_mask,
            code_mask=code_mask,
            encoder_outputs=encoder_outputs,
            past_key_values=past_key_values,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            inputs_embeds=inputs_embeds,
            decoder_inputs_embeds=decoder_inputs_embeds,
            output_attentions=output_attentions,
        )
        logits = self.unified.project(output[0][:, -logits_to_keep:])
        loss = None if labels is None else token_loss(logits, labels)
        values = {key: value for key, value in output.items() if key != "last_hidden_state"}
        answer = Seq2SeqLMOutput(loss=loss, logits=logits, **values)
        return answer if return_dict is not False else answer.to_tuple()

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """Labels moved right by one, bos first, -100 as pad; (R, T) to (R, T).

        UserError for labels that begin with -100: what stands there is not known.
        """
        kept = labels[:, :-1]
        kept = pad_masked(kept, kept != IGNORED, "labels without decoder_input_ids")
        return F.pad(kept, (1, 0), value=BOS)
