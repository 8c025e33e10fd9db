"""The peer that this project's model is timed beside: a ResNet and BART, from transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from components.dataset.collate import Batch
from components.model.config import model_config

if TYPE_CHECKING:
    from model import Case


class Peer(nn.Module):
    """A ResNet's cells and text through BART, from transformers."""

    def __init__(self, size: str, device: str) -> None:
        from transformers import BartConfig, BartForConditionalGeneration, ResNetConfig, ResNetModel

        super().__init__()
        torch.manual_seed(0)
        ours = model_config(size)
        self.vocabulary = ours.vocabulary_size
        self.bart = BartForConditionalGeneration(
            BartConfig(
                vocab_size=ours.vocabulary_size,
                d_model=ours.d_model,
                encoder_layers=ours.encoder_layers,
                decoder_layers=ours.decoder_layers,
                encoder_attention_heads=ours.num_heads,
                decoder_attention_heads=ours.num_heads,
                encoder_ffn_dim=ours.ffn_dim,
                decoder_ffn_dim=ours.ffn_dim,
                max_position_embeddings=2048,
                forced_eos_token_id=None,
                forced_bos_token_id=None,
                decoder_start_token_id=0,
            )
        )
        trunk = ResNetConfig(
            depths=[*ours.trunk_blocks], hidden_sizes=[256, 512, 1024], layer_type="bottleneck"
        )
        self.trunk = ResNetModel(trunk)
        self.project = nn.Linear(1024, ours.d_model)
        self.to(device)

    def prepare(self, case: Case) -> None:
        """Make the model ready to train or to answer."""
        self.train(not case.beam)

    def embed(self, case: Case, batch: Batch) -> Tensor:
        """Cells, then text, as vectors (B, N, D)."""
        cells = self.trunk(batch.images_B3HW).last_hidden_state.flatten(2).transpose(1, 2)
        if case.patches:
            cells = cells[:, torch.randperm(cells.shape[1])[: case.patches]]
        text = self.bart.get_input_embeddings()(batch.source_BS)
        return torch.cat([self.project(cells), text], 1)

    def train_step(self, case: Case, batch: Batch) -> None:
        """Forward and backward over every target, with the full softmax."""
        found = self.bart(
            inputs_embeds=self.embed(case, batch),
            decoder_input_ids=batch.prev_BT,
            labels=batch.labels_BT,
        )
        found.loss.backward()
        self.zero_grad(set_to_none=True)

    def generate(self, case: Case, batch: Batch) -> None:
        """Beam search to the full length."""
        with torch.no_grad():
            encoded = self.bart.get_encoder()(inputs_embeds=self.embed(case, batch))
            found = self.bart.generate(
                encoder_outputs=encoded,
                num_beams=case.beam,
                max_new_tokens=case.targets,
                min_new_tokens=case.targets,
                do_sample=False,
            )
        assert found.shape[1] == case.targets + 1
