"""The decoder: targets of text, image codes or location bins, over the encoder's states.

Shape letters: R target rows (n per source: beams or candidates), T target positions, N encoder
positions, D width, H heads, b is 1 where all rows share their positions, else the sources.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from components.model.attention import Attention, KeysValues, gelu
from components.model.config import ModelConfig
from components.model.encoder import Encoded
from components.model.positions import (
    PositionBias,
    code_ids,
    image_buckets,
    look_up,
    relative_tables,
    token_buckets,
)
from components.model.specials import PAD
from components.model.vision import drop_path, layer_rates


@dataclass(frozen=True)
class Biases:
    """Additive biases for a number of target positions: per layer (b, H, T, T), (b, H, T, N)."""

    own: list[Tensor]
    cross: Tensor


@dataclass
class Cache:
    """What incremental decoding keeps: biases for all positions, keys and values so far."""

    biases: Biases
    memory: list[KeysValues]
    own: list[KeysValues] = field(default_factory=list)
    length: int = 0

    def reorder(self, rows: Tensor) -> None:
        """Let row i go on from row ``rows[i]``; rows stay with their source."""
        self.own = [(k.index_select(0, rows), v.index_select(0, rows)) for k, v in self.own]


class DecoderLayer(nn.Module):
    """Pre-norm self-attention, cross-attention, feed-forward, each normed again."""

    def __init__(self, config: ModelConfig, drop_path_rate: float) -> None:
        super().__init__()
        d, f = config.d_model, config.ffn_dim
        self.self_attn = Attention(config)
        self.self_attn_layer_norm = nn.LayerNorm(d)
        self.self_attn_ln = nn.LayerNorm(d)
        self.encoder_attn = Attention(config)
        self.encoder_attn_layer_norm = nn.LayerNorm(d)
        self.cross_attn_ln = nn.LayerNorm(d)
        self.fc1 = nn.Linear(d, f)
        self.fc2 = nn.Linear(f, d)
        self.ffn_layernorm = nn.LayerNorm(f)
        self.final_layer_norm = nn.LayerNorm(d)
        self.w_resid = nn.Parameter(torch.ones(d)) if config.scale_resids else None
        self.dropout, self.drop_path_rate = nn.Dropout(config.dropout), drop_path_rate

    def forward(
        self,
        x_RTD: Tensor,
        own_bias: Tensor,
        memory: KeysValues | Tensor,
        cross_bias: Tensor,
        past: KeysValues | None,
    ) -> tuple[Tensor, KeysValues]:
        """New positions through the layer; returns them and all keys and values so far.

        ``memory`` is the encoder's states, or the keys and values made of them once.
        """
        y = self.self_attn_layer_norm(x_RTD)
        own = self.self_attn.keys_values(y)
        if past is not None:
            own = torch.cat([past[0], own[0]], 2), torch.cat([past[1], own[1]], 2)
        y = self.dropout(self.self_attn_ln(self.self_attn.attend(y, own, own_bias)))
        x_RTD = x_RTD + drop_path(y, self.drop_path_rate, self.training)
        if isinstance(memory, Tensor):
            memory = self.encoder_attn.keys_values(memory)
        y = self.encoder_attn.attend(self.encoder_attn_layer_norm(x_RTD), memory, cross_bias)
        y = self.dropout(self.cross_attn_ln(y))
        x_RTD = x_RTD + drop_path(y, self.drop_path_rate, self.training)
        y = gelu(self.fc1(self.final_layer_norm(x_RTD)))
        y = self.dropout(self.fc2(self.ffn_layernorm(y)))
        residual = x_RTD if self.w_resid is None else self.w_resid * x_RTD
        return residual + drop_path(y, self.drop_path_rate, self.training), own


class Decoder(nn.Module):
    """Embeds previous tokens, adds position biases to both attentions, runs the layers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d, side = config.d_model, config.image_bucket_size
        self.config = config
        self.layernorm_embedding = nn.LayerNorm(d)
        self.code_layernorm_embedding = nn.LayerNorm(d)
        self.embed_positions = nn.Embedding(config.max_positions + 2, d)
        self.embed_image_positions = nn.Embedding(side * side + 1, d)
        self.pos_ln = nn.LayerNorm(d)
        self.image_pos_ln = nn.LayerNorm(d)
        self.self_pos_q_linear = nn.Linear(d, d)
        self.self_pos_k_linear = nn.Linear(d, d)
        self.cross_pos_q_linear = nn.Linear(d, d)
        self.cross_pos_k_linear = nn.Linear(d, d)
        rates = layer_rates(config.drop_path, config.decoder_layers)
        self.layers = nn.ModuleList(DecoderLayer(config, rate) for rate in rates)
        self.layer_norm = nn.LayerNorm(d)
        tables = relative_tables(config, config.decoder_layers)
        self.token_rel_pos_table_list, self.image_rel_pos_table_list = tables
        self.position_bias = PositionBias(config)
        self.dropout = nn.Dropout(config.dropout)
        buckets = token_buckets(config.max_positions, config.token_bucket_size)
        self.register_buffer("buckets", buckets, persistent=False)

    def start(self, encoded: Encoded, max_length: int, code_mask_B: Tensor | None = None) -> Cache:
        """A cache for up to ``max_length`` positions: biases and cross keys, built once."""
        biases = self.build_biases(encoded, max_length, code_mask_B)
        return Cache(biases, self._memory(encoded))

    def forward(
        self,
        embedded_RTD: Tensor,
        prev_RT: Tensor,
        encoded: Encoded,
        code_mask_B: Tensor | None,
        cache: Cache | None,
    ) -> Tensor:
        """Features of the positions that the cache does not hold yet, (R, T', D)."""
        rows, length = prev_RT.shape
        begin = 0 if cache is None else cache.length
        biases = cache.biases if cache else self.build_biases(encoded, length, code_mask_B)
        # Without a cache a layer is entered here alone, and may be gathered or run again whole.
        memory = cache.memory if cache else [encoded.states] * len(self.layers)
        per_source = rows // encoded.states.shape[0]
        x_RTD = self._embed(embedded_RTD[:, begin:], code_mask_B, per_source, begin)
        padded = prev_RT == PAD if cache is None and bool((prev_RT == PAD).any()) else None
        cross = biases.cross[:, :, begin:length]
        own: list[KeysValues] = []
        for i, layer in enumerate(self.layers):
            bias = biases.own[i][:, :, begin:length, :length]
            if bias.shape[0] > 1 and per_source > 1:
                bias = bias.repeat_interleave(per_source, 0)
            if padded is not None:
                bias = bias.masked_fill(padded[:, None, None, :], -torch.inf)
            past = cache.own[i] if cache is not None and cache.own else None
            x_RTD, kept = layer(x_RTD, bias, memory[i], cross, past)
            own.append(kept)
        if cache is not None:
            cache.own, cache.length = own, length
        features: Tensor = self.layer_norm(x_RTD)
        return features

    def build_biases(
        self, encoded: Encoded, length: int, code_mask_B: Tensor | None = None
    ) -> Biases:
        """Self and cross biases of ``length`` positions; -inf for the future and padded keys.

        Samples of image codes sit on the code grid, others on a line; a batch that mixes them
        gets biases of its own per sample.
        """
        device = encoded.states.device
        codes = None if code_mask_B is None or not bool(code_mask_B.any()) else code_mask_B
        mixed = codes is not None and not bool(codes.all())
        ids = code_ids(self.config, length).to(device)
        embeddings = self._positions(length, ids, codes, mixed)
        q, k = self.self_pos_q_linear(embeddings), self.self_pos_k_linear(embeddings)
        future = torch.ones(length, length, dtype=torch.bool, device=device).triu(1)
        shared = self.position_bias(q, k).masked_fill(future, -torch.inf)
        own = [shared + relative for relative in self._relative(length, ids, codes, mixed)]
        cross = self.position_bias(
            self.cross_pos_q_linear(embeddings), self.cross_pos_k_linear(encoded.positions)
        )
        if encoded.padding is not None:
            cross = cross.masked_fill(encoded.padding[:, None, None, :], -torch.inf)
        return Biases(own, cross)

    def _positions(self, length: int, ids: Tensor, codes: Tensor | None, mixed: bool) -> Tensor:
        """Normed position embeddings, (1, T, D), or (B, T, D) for a mixed batch."""
        if codes is None or mixed:
            on_line: Tensor = self.pos_ln(self.embed_positions.weight[:length])[None]
            if codes is None:
                return on_line
        on_grid: Tensor = self.image_pos_ln(self.embed_image_positions(ids))[None]
        return torch.where(codes[:, None, None], on_grid, on_line) if mixed else on_grid

    def _relative(
        self, length: int, ids: Tensor, codes: Tensor | None, mixed: bool
    ) -> list[Tensor]:
        """Relative bias of each layer, (1, H, T, T), or (B, H, T, T) for a mixed batch."""
        relative = []
        tables = zip(self.token_rel_pos_table_list, self.image_rel_pos_table_list, strict=True)
        for text_table, image_table in tables:
            on_line = on_grid = None
            if codes is None or mixed:
                on_line = look_up(text_table, self.buckets[:length, :length])[None]  # type: ignore[index, arg-type]
            if codes is not None:
                cells = image_buckets(ids, ids, self.config.image_bucket_size)
                on_grid = look_up(image_table, cells)[None]  # type: ignore[arg-type]
            if on_line is not None and on_grid is not None and codes is not None:
                relative.append(torch.where(codes[:, None, None, None], on_grid, on_line))
            else:
                relative.append(on_line if on_grid is None else on_grid)  # type: ignore[arg-type]
        return relative

    def _embed(
        self, x_RTD: Tensor, code_mask_B: Tensor | None, per_source: int, begin: int
    ) -> Tensor:
        if not self.config.disable_entangle:
            end = begin + x_RTD.shape[1]
            x_RTD = x_RTD + self._entangled(begin, end, code_mask_B, per_source)
        normed = self.layernorm_embedding(x_RTD)
        if code_mask_B is not None and bool(code_mask_B.any()):
            pick = code_mask_B.repeat_interleave(per_source)[:, None, None]
            normed = torch.where(pick, self.code_layernorm_embedding(x_RTD), normed)
        embedded: Tensor = self.dropout(normed)
        return embedded

    def _entangled(
        self, begin: int, end: int, code_mask_B: Tensor | None, per_source: int
    ) -> Tensor:
        """Raw position embeddings, added to the input by checkpoints trained without
        ``disable_entangle`` (see the reference's flag of that name)."""
        on_line = self.embed_positions.weight[begin:end][None]
        if code_mask_B is None:
            return on_line
        ids = code_ids(self.config, end)[begin:].to(on_line.device)
        pick = code_mask_B.repeat_interleave(per_source)[:, None, None]
        return torch.where(pick, self.embed_image_positions(ids)[None], on_line)

    def _memory(self, encoded: Encoded) -> list[KeysValues]:
        """Cross-attention keys and values of each layer, once per source."""
        return [layer.encoder_attn.keys_values(encoded.states) for layer in self.layers]  # type: ignore[union-attr, operator]
