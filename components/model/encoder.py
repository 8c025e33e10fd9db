"""The encoder: image cells, then text tokens, as one sequence.

Shape letters: B samples, b is 1 or B, P image cells, S text tokens, N = P + S, D width, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from components.model.attention import Attention, gelu
from components.model.config import ModelConfig
from components.model.ids import check_grid, check_sampled, check_visible
from components.model.positions import (
    PositionBias,
    grid_ids,
    image_buckets,
    look_up,
    relative_tables,
    token_buckets,
)
from components.model.specials import PAD
from components.model.split_bias import SplitBias
from components.model.vision import Trunk, drop_path, layer_rates

TEXT, IMAGE = 0, 1


@dataclass(frozen=True)
class Encoded:
    """What the decoder reads: states (B, N, D), padding (B, N) or None, positions (b, N, D)."""

    states: Tensor
    padding: Tensor | None
    positions: Tensor

    def select(self, rows: Tensor) -> Encoded:
        """The given samples."""
        padding = None if self.padding is None else self.padding[rows]
        positions = self.positions if self.positions.shape[0] == 1 else self.positions[rows]
        return Encoded(self.states[rows], padding, positions)


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and feed-forward, each normed again before its residual."""

    def __init__(self, config: ModelConfig, drop_path_rate: float) -> None:
        super().__init__()
        d, f = config.d_model, config.ffn_dim
        self.self_attn = Attention(config)
        self.self_attn_layer_norm = nn.LayerNorm(d)
        self.attn_ln = nn.LayerNorm(d)
        self.fc1 = nn.Linear(d, f)
        self.fc2 = nn.Linear(f, d)
        self.ffn_layernorm = nn.LayerNorm(f)
        self.final_layer_norm = nn.LayerNorm(d)
        self.w_resid = nn.Parameter(torch.ones(d)) if config.scale_resids else None
        self.dropout, self.drop_path_rate = nn.Dropout(config.dropout), drop_path_rate

    def forward(self, x_BND: Tensor, bias: Tensor | SplitBias) -> Tensor:
        """(B, N, D) and a bias that broadcasts to (B, H, N, N) -> (B, N, D)."""
        y = self.self_attn_layer_norm(x_BND)
        y = self.dropout(self.attn_ln(self.self_attn.attend_self(y, bias)))
        x_BND = x_BND + drop_path(y, self.drop_path_rate, self.training)
        y = gelu(self.fc1(self.final_layer_norm(x_BND)))
        y = self.dropout(self.fc2(self.ffn_layernorm(y)))
        residual = x_BND if self.w_resid is None else self.w_resid * x_BND
        return residual + drop_path(y, self.drop_path_rate, self.training)


class Encoder(nn.Module):
    """Embeds images and text, adds position biases to the attention, runs the layers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d, side = config.d_model, config.image_bucket_size
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary_size, d, padding_idx=PAD)
        self.layernorm_embedding = nn.LayerNorm(d)
        self.type_embedding = nn.Embedding(2, d)
        self.embed_images = Trunk(config)
        self.image_proj = nn.Linear(self.embed_images.out_channels, d)
        self.patch_layernorm_embedding = nn.LayerNorm(d)
        self.embed_positions = nn.Embedding(config.max_positions + 2, d)
        self.embed_image_positions = nn.Embedding(side * side + 1, d)
        self.pos_ln = nn.LayerNorm(d)
        self.image_pos_ln = nn.LayerNorm(d)
        self.pos_q_linear = nn.Linear(d, d)
        self.pos_k_linear = nn.Linear(d, d)
        rates = layer_rates(config.drop_path, config.encoder_layers)
        self.layers = nn.ModuleList(EncoderLayer(config, rate) for rate in rates)
        self.layer_norm = nn.LayerNorm(d)
        tables = relative_tables(config, config.encoder_layers)
        self.token_rel_pos_table_list, self.image_rel_pos_table_list = tables
        self.position_bias = PositionBias(config)
        self.dropout = nn.Dropout(config.dropout)
        buckets = token_buckets(config.max_positions, config.token_bucket_size)
        self.register_buffer("buckets", buckets, persistent=False)

    def forward(
        self,
        source_BS: Tensor,
        images_B3HW: Tensor | None,
        image_mask_B: Tensor | None,
        *,
        patch_orders_BK: Tensor | None,
        num_sampled: int | None,
        generator: torch.Generator | None,
    ) -> Encoded:
        """Token ids and images (normalised) to states; see UnifiedModel.encode."""
        x_BND, padding_BN = self._embed_text(source_BS), source_BS == PAD
        positions = self.pos_ln(self.embed_positions.weight[: source_BS.shape[1]])[None]
        image_ids: Tensor | None = None
        if images_B3HW is not None:
            cells, image_ids, image_positions = self._embed_image(
                images_B3HW, patch_orders_BK, num_sampled, generator
            )
            shape = cells.shape[:2]
            hidden = torch.zeros(shape, dtype=torch.bool, device=cells.device)
            if image_mask_B is not None:
                hidden = (~image_mask_B)[:, None].expand(shape)
            x_BND = torch.cat([cells, x_BND], 1)
            padding_BN = torch.cat([hidden, padding_BN], 1)
            b = image_positions.shape[0]
            positions = torch.cat([image_positions, positions.expand(b, -1, -1)], 1)
        padding = padding_BN if bool(padding_BN.any()) else None
        check_visible(padding)
        if padding is not None:
            x_BND = x_BND * ~padding[..., None]
        biases = self._biases(positions, image_ids, source_BS.shape[1], padding)
        for layer, bias in zip(self.layers, biases, strict=True):
            x_BND = layer(x_BND, bias)
        return Encoded(self.layer_norm(x_BND), padding, positions)

    def embed_ids(self, ids_BT: Tensor) -> Tensor:
        """Rows of the token matrix, (B, T, D).

        On a CPU their gradient is sparse, and is added to the dense one of the output projection:
        a dense one of its own would be a second and third matrix of the vocabulary's size.
        """
        table = self.embed_tokens
        sparse = ids_BT.device.type == "cpu" and not torch.compiler.is_compiling()
        return F.embedding(ids_BT, table.weight, table.padding_idx, sparse=sparse)

    def _embed_text(self, source_BS: Tensor) -> Tensor:
        x_BSD = self.embed_ids(source_BS) + self.type_embedding.weight[TEXT]
        embedded: Tensor = self.dropout(self.layernorm_embedding(x_BSD))
        return embedded

    def _embed_image(
        self,
        images_B3HW: Tensor,
        orders_BK: Tensor | None,
        num_sampled: int | None,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Cells (B, P, D), their ids (b, P), and normed position embeddings (b, P, D)."""
        features_BCHW = self.embed_images(images_B3HW)
        rows, columns = features_BCHW.shape[-2:]
        check_grid(rows, columns, self.config.image_bucket_size)
        cells = features_BCHW.flatten(2).transpose(1, 2)
        ids = grid_ids(rows, columns, self.config.image_bucket_size).to(cells.device)[None]
        if orders_BK is None and num_sampled:
            check_sampled(num_sampled, cells.shape[1])
            drawn = torch.rand(cells.shape[:2], generator=generator)
            orders_BK = drawn.argsort(1)[:, :num_sampled].to(cells.device)
        if orders_BK is not None:
            cells = _take(cells, orders_BK)
            ids = ids.expand(cells.shape[0], -1).gather(1, orders_BK)
        positions = self._image_positions(rows, columns, ids, orders_BK)
        x_BPD = self.image_proj(cells) + self.type_embedding.weight[IMAGE]
        x_BPD = self.dropout(self.patch_layernorm_embedding(x_BPD))
        return x_BPD, ids, self.image_pos_ln(positions)

    def _image_positions(
        self, rows: int, columns: int, ids: Tensor, orders_BK: Tensor | None
    ) -> Tensor:
        """Position embeddings of cells, (b, P, D), resized from the original grid if asked.

        As in the reference, the cells that are kept are counted: a sample of no more than the
        original grid's has the positions of the table.
        """
        side = self.config.original_image_size // 16
        if not self.config.interpolate_position or ids.shape[1] <= side * side:
            positions: Tensor = self.embed_image_positions(ids)
            return positions
        original = grid_ids(side, side, self.config.image_bucket_size).to(ids.device)
        table = self.embed_image_positions(original).T.reshape(1, -1, side, side)
        resized = F.interpolate(table, (rows, columns), mode="bilinear", align_corners=False)
        resized = resized.flatten(2).transpose(1, 2)
        return resized if orders_BK is None else _take(resized, orders_BK)

    def _biases(
        self, positions: Tensor, image_ids: Tensor | None, num_text: int, padding: Tensor | None
    ) -> Sequence[Tensor | SplitBias]:
        """One additive bias per layer: absolute, relative, and -inf at padded keys."""
        q, k = self.pos_q_linear(positions), self.pos_k_linear(positions)
        relative = self._relative(image_ids, num_text)
        if self._splits(q):
            queries, keys = self.position_bias.split(q, k)
            return [SplitBias(queries, keys, *pair, padding) for pair in relative]
        shared = self.position_bias(q, k)
        if padding is not None:
            shared = shared.masked_fill(padding[:, None, None, :], -torch.inf)
        biases = []
        for cells, text in relative:
            bias, p = shared.clone(), cells.shape[-1]
            bias[..., p:, p:] += text
            if p:
                bias[..., :p, :p] += cells
            biases.append(bias)
        return biases

    def _splits(self, x: Tensor) -> bool:
        """Whether the biases are trained where fused attention gives them no gradient."""
        on_cpu = x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        drops = self.training and self.config.attention_dropout > 0
        return on_cpu and x.requires_grad and not drops and not torch.compiler.is_compiling()

    def _relative(self, image_ids: Tensor | None, num_text: int) -> list[tuple[Tensor, Tensor]]:
        """Relative biases of each layer: cells (b, H, P, P), text (1, H, S, S)."""
        buckets = self.buckets[None, :num_text, :num_text]  # type: ignore[index]
        texts = [look_up(table, buckets) for table in self.token_rel_pos_table_list]  # type: ignore[arg-type]
        if image_ids is None:
            return [(text.new_empty(1, text.shape[1], 0, 0), text) for text in texts]
        cells = image_buckets(image_ids, image_ids, self.config.image_bucket_size)
        images = [look_up(table, cells) for table in self.image_rel_pos_table_list]  # type: ignore[arg-type]
        return list(zip(images, texts, strict=True))


def _take(x_bPD: Tensor, orders_BK: Tensor) -> Tensor:
    """The cells of each sample that its order names, (B, K, D)."""
    wide = orders_BK[..., None].expand(-1, -1, x_bPD.shape[-1])
    return x_bPD.expand(len(orders_BK), -1, -1).gather(1, wide)
