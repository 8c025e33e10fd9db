"""Multi-head attention with additive biases, and the feed-forward block, with NormFormer extras.

Sources: Vaswani et al. 2017; NormFormer (arXiv 2110.09456) for the head scale and inner norms.
Shape letters: B samples, T queries, N keys, D width, H heads, d head width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from components.model.config import ModelConfig
from components.model.split_bias import SplitBias

KeysValues = tuple[Tensor, Tensor]


class Attention(nn.Module):
    """Scaled dot-product attention; scores and biases each carry 1 / sqrt(2 d)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d = config.d_model
        self.k_proj = nn.Linear(d, d)
        self.v_proj = nn.Linear(d, d)
        self.q_proj = nn.Linear(d, d)
        self.out_proj = nn.Linear(d, d)
        self.c_attn = nn.Parameter(torch.ones(config.num_heads))
        self.num_heads, self.head_dim = config.num_heads, config.head_dim
        self.scaling = (config.head_dim * config.attn_scale_factor) ** -0.5
        self.dropout = config.attention_dropout

    def attend_self(self, x_BND: Tensor, bias: Tensor | SplitBias) -> Tensor:
        """A sequence over itself; ``bias`` broadcasts to (B, H, N, N)."""
        if not isinstance(bias, SplitBias):
            return self.attend(x_BND, self.keys_values(x_BND), bias)
        q_BHNd = self._heads(self.q_proj(x_BND) * self.scaling)
        k_BHNd, v_BHNd = self.keys_values(x_BND)
        weighed = bias.weigh(*(x.transpose(1, 2) for x in (q_BHNd, k_BHNd, v_BHNd)))
        merged: Tensor = self.out_proj((weighed * self.c_attn[:, None]).flatten(2))
        return merged

    def keys_values(self, x_BND: Tensor) -> KeysValues:
        """Keys and values of a sequence, (B, H, N, d) each."""
        return self._heads(self.k_proj(x_BND)), self._heads(self.v_proj(x_BND))

    def attend(self, x_BTD: Tensor, memory: KeysValues, bias: Tensor) -> Tensor:
        """Queries from ``x`` over keys and values; ``bias`` broadcasts to (B, H, T, N).

        With n times as many query rows as memory rows, each memory row serves n consecutive
        query rows (the beams or candidates of one source) without being copied.
        """
        keys, values = memory
        q_BHTd = self._heads(self.q_proj(x_BTD))
        rows, sources = q_BHTd.shape[0], keys.shape[0]
        if rows != sources:
            q_BHTd = _fold(q_BHTd, rows // sources)
            bias = bias.repeat(1, 1, rows // sources, 1)
        out = self._weigh(q_BHTd, keys, values, bias.to(q_BHTd.dtype))
        if rows != sources:
            out = _unfold(out, rows // sources)
        out = out * self.c_attn[:, None, None]
        merged: Tensor = self.out_proj(out.transpose(1, 2).flatten(2))
        return merged

    def _weigh(self, q_BHTd: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
        """Values weighed by softmax(scaling * q k + bias), (B, H, T, d).

        Torch's fused kernels for CPUs give a bias no gradient; its fallback goes over the scores
        five times more often than these lines.
        """
        dropout = self.dropout if self.training else 0.0
        if bias.requires_grad and q_BHTd.device.type == "cpu":
            scores = (q_BHTd * self.scaling) @ keys.transpose(-1, -2)
            return F.dropout(scores.add_(bias).softmax(-1), dropout, self.training) @ values
        return F.scaled_dot_product_attention(
            q_BHTd, keys, values, attn_mask=bias, dropout_p=dropout, scale=self.scaling
        )

    def _heads(self, x_BND: Tensor) -> Tensor:
        b, n, _ = x_BND.shape
        return x_BND.view(b, n, self.num_heads, self.head_dim).transpose(1, 2)


def _fold(q: Tensor, n: int) -> Tensor:
    """(B * n, H, T, d) -> (B, H, n * T, d)."""
    rows, heads, length, width = q.shape
    q = q.view(rows // n, n, heads, length, width).transpose(1, 2)
    return q.reshape(rows // n, heads, n * length, width)


def _unfold(out: Tensor, n: int) -> Tensor:
    """(B, H, n * T, d) -> (B * n, H, T, d)."""
    sources, heads, folded, width = out.shape
    out = out.view(sources, heads, n, folded // n, width).transpose(1, 2)
    return out.reshape(sources * n, heads, folded // n, width)


def gelu(x: Tensor) -> Tensor:
    """Exact GELU, computed in float32 or better, as the reference does."""
    return F.gelu(x.to(torch.promote_types(x.dtype, torch.float32))).type_as(x)
