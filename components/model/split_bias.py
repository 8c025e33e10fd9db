"""Attention on a CPU with biases that are trained, without ever holding a bias of its own.

Torch's fused kernels for CPUs give a bias no gradient, and a bias added to the scores costs, with
its copies and gradients, several passes over (B, H, N, N) in every layer. Here the absolute bias
comes out of the product of queries and keys, which carry the positions beside the content

    [content | position] of query i . [content | position] of key j,

the relative biases are added to their blocks of the scores in place, and the gradients of both
are read off the scores' gradient. The numbers are those of the sum that it replaces.

Shape letters: B samples, b is 1 or B, N positions (P image cells, then S text tokens), H heads,
d head width, e content and position width together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class SplitBias:
    """A bias in its parts: positions (b, N, H, d), queries scaled; one relative bias for the
    cells (b, H, P, P) and one for the text (1, H, S, S); padded keys (B, N)."""

    queries: Tensor
    keys: Tensor
    cells: Tensor
    text: Tensor
    padding: Tensor | None

    def weigh(self, q_BNHd: Tensor, k_BNHd: Tensor, v_BNHd: Tensor) -> Tensor:
        """Values weighed by softmax(q k + bias), (B, N, H, d); ``q`` is scaled already."""
        shape = q_BNHd.shape
        q_BNHe = torch.cat([q_BNHd, self.queries.expand(shape)], -1)
        k_BNHe = torch.cat([k_BNHd, self.keys.expand(shape)], -1)
        weighed: Tensor = _Weigh.apply(  # type: ignore[no-untyped-call]
            q_BNHe, k_BNHe, v_BNHd, self.cells, self.text, self.padding
        )
        return weighed


class _Weigh(torch.autograd.Function):
    """One sample at a time, so that its scores stay near the processor between two steps."""

    @staticmethod
    def forward(  # noqa: PLR0917 (torch passes them by position)
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, cells: Tensor, text: Tensor, pad: Tensor | None
    ) -> Tensor:
        """See SplitBias.weigh."""
        samples, num, heads, _ = q.shape
        p = num - text.shape[-1]
        weights = q.new_empty(samples, heads, num, num)
        out = torch.empty_like(v)
        for i, scores in enumerate(weights):
            torch.bmm(_heads(q, i), _heads(k, i).mT, out=scores)
            scores[:, :p, :p] += _of(cells, i)
            scores[:, p:, p:] += _of(text, i)
            if pad is not None:
                scores.masked_fill_(pad[i], -torch.inf)
            torch.softmax(scores, -1, out=scores)
            _heads(out, i).copy_(scores @ _heads(v, i))
        ctx.save_for_backward(q, k, v, weights, cells, text)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of forward's arguments."""
        q, k, v, weights, cells, text = ctx.saved_tensors
        p = weights.shape[-1] - text.shape[-1]
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        dcells, dtext = torch.zeros_like(cells), torch.zeros_like(text)
        buffer = torch.empty_like(weights[0])
        for i, weight in enumerate(weights):
            grad_HNd = _heads(grad, i)
            _heads(dv, i).copy_(weight.mT @ grad_HNd)
            torch.bmm(grad_HNd, _heads(v, i).mT, out=buffer)
            torch._softmax_backward_data(buffer, weight, -1, weight.dtype, grad_input=buffer)
            _of(dcells, i).add_(buffer[:, :p, :p])
            _of(dtext, i).add_(buffer[:, p:, p:])
            _heads(dq, i).copy_(buffer @ _heads(k, i))
            _heads(dk, i).copy_(buffer.mT @ _heads(q, i))
        return dq, dk, dv, dcells, dtext, None


def _heads(x_BNHd: Tensor, i: int) -> Tensor:
    """Sample i as (H, N, d), a view."""
    return x_BNHd[i].transpose(0, 1)


def _of(bias: Tensor, i: int) -> Tensor:
    """Sample i's part of a bias (b, H, n, n), a view."""
    return bias[i if len(bias) > 1 else 0]
