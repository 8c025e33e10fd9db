"""Losses of single tokens: smoothing, allowed tokens, agreement of two passes, chunks of logits.

Method: OFA's adjusted label-smoothed cross-entropy (public code, criterion of the same name), with
R-Drop (arXiv 2106.14448).

Shape letters: C passes, M positions with a target, N = C * M rows, D width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from components.model.specials import NUM_SPECIALS

CHUNK_TOKENS = 512  # positions whose logits exist at one time: 120 MB each at 59,457 entries


@dataclass(frozen=True)
class Targets:
    """What is wanted of each position, and what it may be. ``allowed_MV`` is bool.

    ``token_range`` (a, b) allows the four specials and the ids in [a, b) everywhere.
    """

    labels_M: Tensor
    weight_M: Tensor | None = None
    allowed_MV: Tensor | None = None
    label_smoothing: float = 0.0
    token_range: tuple[int, int] | None = None


@dataclass(frozen=True)
class TokenLosses:
    """Smoothed loss and plain negative log-likelihood of each token, and R-Drop's agreement."""

    loss_CM: Tensor
    nll_CM: Tensor
    agreement_M: Tensor | None = None

    def keep(self, indices: Tensor) -> TokenLosses:
        """The losses of some of the positions."""
        agreement = None if self.agreement_M is None else self.agreement_M[indices]
        return TokenLosses(self.loss_CM[:, indices], self.nll_CM[:, indices], agreement)


def chunked_losses(matrix_VD: Tensor, features_CMD: Tensor, targets: Targets) -> TokenLosses:
    """The losses of features, through the token matrix, CHUNK_TOKENS rows of logits at a time.

    Where there is more than one chunk, the backward pass computes each chunk's logits again
    instead of keeping all of them.
    """
    num_passes, num = features_CMD.shape[:2]
    size = max(CHUNK_TOKENS // num_passes, 1)
    if num <= size:
        return _chunk_losses(matrix_VD, features_CMD, targets, slice(None))
    chunks = [
        checkpoint(
            _chunk_losses,
            matrix_VD,
            features_CMD[:, begin : begin + size],
            targets,
            slice(begin, begin + size),
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for begin in range(0, num, size)
    ]
    agreements = [chunk.agreement_M for chunk in chunks if chunk.agreement_M is not None]
    return TokenLosses(
        torch.cat([chunk.loss_CM for chunk in chunks], 1),
        torch.cat([chunk.nll_CM for chunk in chunks], 1),
        torch.cat(agreements) if agreements else None,
    )


def _chunk_losses(
    matrix_VD: Tensor, features_CMD: Tensor, targets: Targets, rows: slice
) -> TokenLosses:
    num_passes = features_CMD.shape[0]
    logits_NV = F.linear(features_CMD.flatten(0, 1), matrix_VD)
    weight = None if targets.weight_M is None else targets.weight_M[rows].repeat(num_passes)
    allowed = None
    if targets.allowed_MV is not None:
        allowed = targets.allowed_MV[rows].repeat(num_passes, 1)
    if targets.token_range is not None:
        mask = range_mask(targets.token_range, logits_NV.shape[-1], logits_NV.device)
        allowed = mask if allowed is None else allowed & mask
    log_probs_NV = log_probabilities(logits_NV, weight, allowed)
    labels_N = targets.labels_M[rows].repeat(num_passes)
    loss_N, nll_N = smoothed_losses(log_probs_NV, labels_N, targets.label_smoothing, allowed)
    agreement = disagreement(log_probs_NV, allowed) if num_passes == 2 else None
    return TokenLosses(loss_N.view(num_passes, -1), nll_N.view(num_passes, -1), agreement)


def log_probabilities(
    logits_NV: Tensor, weight_N: Tensor | None = None, allowed_NV: Tensor | None = None
) -> Tensor:
    """Log-probabilities (N, V) times the weights, in float32 or better; -inf where not allowed.

    ``allowed_NV`` (bool, broadcastable) removes tokens before the softmax, as the reference does
    for answer tries and code ranges.
    """
    logits_NV = logits_NV.to(torch.promote_types(logits_NV.dtype, torch.float32))
    if allowed_NV is not None:
        logits_NV = logits_NV.masked_fill(~allowed_NV, -torch.inf)
    log_probs_NV = logits_NV.log_softmax(-1)
    return log_probs_NV if weight_N is None else log_probs_NV * weight_N[:, None]


def smoothed_losses(
    log_probs_NV: Tensor,
    labels_N: Tensor,
    label_smoothing: float = 0.0,
    allowed_NV: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Smoothed loss and plain negative log-likelihood of each token, (N,) and (N,).

    Smoothing spreads over the allowed tokens only (bool, broadcastable), or over all.
    """
    nll_N = -log_probs_NV.gather(-1, labels_N[:, None]).squeeze(-1)
    if label_smoothing == 0.0:
        return nll_N, nll_N
    if allowed_NV is None:
        others_N: Tensor | float = float(log_probs_NV.shape[-1] - 1)
        smooth_N = -log_probs_NV.sum(-1)
    else:
        others_N = allowed_NV.expand_as(log_probs_NV).sum(-1) - 1 + 1e-6
        smooth_N = -log_probs_NV.masked_fill(~allowed_NV, 0.0).sum(-1)
    each_N = label_smoothing / others_N
    return (1.0 - label_smoothing - each_N) * nll_N + each_N * smooth_N, nll_N


def disagreement(log_probs_NV: Tensor, allowed_NV: Tensor | None = None) -> Tensor:
    """Mean of both Kullback-Leibler divergences between two passes, per position, (N / 2,).

    The first half of the rows is the first pass, the second half the second. Only allowed tokens
    are compared.
    """
    if allowed_NV is not None:
        log_probs_NV = log_probs_NV.masked_fill(~allowed_NV, -torch.inf)
    first, second = log_probs_NV.chunk(2)
    both = [
        F.kl_div(there, here, reduction="none", log_target=True).masked_fill(here.isinf(), 0.0)
        for here, there in ((first, second), (second, first))
    ]
    return (both[0] + both[1]).sum(-1) / 2


def drop_worst(loss_N: Tensor, share: float) -> Tensor:
    """Indices of the int(N * (1 - share)) tokens with the smallest loss."""
    return torch.topk(loss_N, int(loss_N.numel() * (1 - share)), largest=False).indices


def range_mask(token_range: tuple[int, int], vocabulary_size: int, device: torch.device) -> Tensor:
    """Bool mask (1, V) of the four specials and the ids in [a, b)."""
    mask_V = torch.zeros(vocabulary_size, dtype=torch.bool, device=device)
    mask_V[:NUM_SPECIALS] = True
    mask_V[token_range[0] : token_range[1]] = True
    return mask_V[None]
