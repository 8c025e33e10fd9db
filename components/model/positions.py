"""Position ids, relative buckets, and the untied absolute biases of encoder and decoder.

Positions never enter the token embeddings: they act through biases of the attention scores, an
absolute part shared by all layers (projected position embeddings) and a relative part per layer.
Method: OFA (arXiv 2202.03052), after TUPE's untied encoding (arXiv 2006.15595).

Shape letters: b is 1 where all samples share their positions, else B; H heads; Q, K positions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from components.model.config import ModelConfig


def token_buckets(length: int, size: int = 256, max_position: int = 1024) -> Tensor:
    """Bucket of every pair (query i, key j) of text positions, (length, length) int64.

    Distances up to size / 2 have a bucket each, longer ones share logarithmic ones.
    """
    mid = size // 2
    positions = torch.arange(length)
    distance = positions[:, None] - positions[None, :]
    magnitude = distance.abs().clamp(min=1).double()
    spread = torch.log(magnitude / mid) / math.log((max_position - 1) / mid)
    far = mid + torch.ceil(spread * (mid - 1)).long()
    value = torch.where(distance.abs() <= mid, distance, distance.sign() * far)
    return value + size - 1


def image_buckets(ids_Q: Tensor, ids_K: Tensor, side: int = 42) -> Tensor:
    """Bucket of every pair of image position ids, (..., Q, K); id 0 stands for no cell."""
    span = 2 * side - 1
    query, key = ids_Q[..., :, None], ids_K[..., None, :]
    rows = (query - 1).div(side, rounding_mode="floor") - (key - 1).div(side, rounding_mode="floor")
    columns = (query - 1) % side - (key - 1) % side
    bucket = (rows + side - 1) * span + columns + side - 1
    special = span * span
    bucket = bucket.masked_fill((query == 0) & (key != 0), special)
    bucket = bucket.masked_fill((query != 0) & (key == 0), special + 1)
    return bucket.masked_fill((query == 0) & (key == 0), special + 2)


def grid_ids(rows: int, columns: int, side: int = 42) -> Tensor:
    """Position ids of a grid's cells in row-major order, (rows * columns,); ids start at 1."""
    return (torch.arange(rows)[:, None] * side + torch.arange(columns)[None, :] + 1).flatten()


def code_ids(config: ModelConfig, length: int) -> Tensor:
    """Position ids of a target of image codes: 0 for the start, then the cells of the code grid."""
    side = config.code_image_size // 8
    cells = grid_ids(side, side, config.image_bucket_size)
    ids = torch.cat([torch.zeros(1, dtype=torch.long), cells])
    filler = torch.full((max(length - ids.numel(), 0),), 1024)
    return torch.cat([ids, filler])[:length]


class PositionBias(nn.Module):
    """The pair of projections that turns position embeddings into an absolute bias."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.num_heads, self.head_dim = config.num_heads, config.head_dim
        self.scaling = (config.head_dim * config.attn_scale_factor) ** -0.5

    def forward(self, q_bQD: Tensor, k_bKD: Tensor) -> Tensor:
        """Projected queries and keys -> bias (b, H, Q, K)."""
        q_bQHd, k_bKHd = self.split(q_bQD, k_bKD)
        return q_bQHd.transpose(1, 2) @ k_bKHd.permute(0, 2, 3, 1)

    def split(self, q_bQD: Tensor, k_bKD: Tensor) -> tuple[Tensor, Tensor]:
        """The factors of the bias: queries, scaled, and keys, (b, Q, H, d) and (b, K, H, d)."""
        return self._heads(q_bQD * self.scaling), self._heads(k_bKD)

    def _heads(self, x_bND: Tensor) -> Tensor:
        return x_bND.view(*x_bND.shape[:2], self.num_heads, self.head_dim)


def look_up(table: nn.Embedding, buckets: Tensor) -> Tensor:
    """Relative bias of one layer: (Q, K) -> (H, Q, K), or (B, Q, K) -> (B, H, Q, K)."""
    bias: Tensor = table(buckets).movedim(-1, -3)
    return bias


def relative_tables(config: ModelConfig, num_layers: int) -> tuple[nn.ModuleList, nn.ModuleList]:
    """One text table and one image table per layer."""
    num_text = 2 * config.token_bucket_size - 1
    num_image = (2 * config.image_bucket_size - 1) ** 2 + 3
    text = [nn.Embedding(num_text, config.num_heads) for _ in range(num_layers)]
    image = [nn.Embedding(num_image, config.num_heads) for _ in range(num_layers)]
    return nn.ModuleList(text), nn.ModuleList(image)
