"""The loss: label-smoothed cross-entropy over the tokens that have a target.

Method: OFA's adjusted label smoothing (public code, criterion of the same name): sample weights
multiply log-probabilities, the smoothing mass spreads over the allowed tokens only, and the worst
tokens may be dropped.

Shape letters: B samples, T target positions, N positions with a target, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

PAD = 1


class Batch(Protocol):
    """What a training step needs of a batch; made by the data side."""

    source_BS: Tensor
    images_B3HW: Tensor | None
    image_mask_B: Tensor | None
    prev_BT: Tensor
    labels_BT: Tensor
    code_mask_B: Tensor | None
    weight_B: Tensor


@dataclass(frozen=True)
class Objective:
    """What is varied about the loss. ``token_range`` allows the specials and ids in [a, b)."""

    label_smoothing: float = 0.0
    drop_worst: float = 0.0
    drop_worst_after: int = 0
    token_range: tuple[int, int] | None = None
    sampled_patches: int = 0


@dataclass(frozen=True)
class LossSums:
    """Sums over the kept tokens of a batch; divide ``loss`` by ``num_tokens`` for the mean."""

    loss: Tensor
    nll: Tensor
    num_tokens: int


def token_losses(
    logits_NV: Tensor,
    labels_N: Tensor,
    *,
    label_smoothing: float = 0.0,
    weight_N: Tensor | None = None,
    allowed_NV: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Smoothed loss and plain negative log-likelihood of each token, shapes (N,) and (N,).

    ``allowed_NV`` (bool, broadcastable) removes tokens before the softmax; smoothing then
    spreads over what is left, as the reference does for answer tries and code ranges.
    """
    logits_NV = logits_NV.float()
    if allowed_NV is not None:
        logits_NV = logits_NV.masked_fill(~allowed_NV, -torch.inf)
    log_probs_NV = logits_NV.log_softmax(-1)
    if weight_N is not None:
        log_probs_NV = log_probs_NV * weight_N[:, None]
    nll_N = -log_probs_NV.gather(-1, labels_N[:, None]).squeeze(-1)
    if label_smoothing == 0.0:
        return nll_N, nll_N
    if allowed_NV is None:
        others_N: Tensor | float = float(logits_NV.shape[-1] - 1)
        smooth_N = -log_probs_NV.sum(-1)
    else:
        others_N = allowed_NV.expand_as(logits_NV).sum(-1) - 1 + 1e-6
        smooth_N = -log_probs_NV.masked_fill(~allowed_NV, 0.0).sum(-1)
    each_N = label_smoothing / others_N
    return (1.0 - label_smoothing - each_N) * nll_N + each_N * smooth_N, nll_N


def range_mask(token_range: tuple[int, int], vocabulary_size: int, device: torch.device) -> Tensor:
    """Bool mask (1, V) of the four specials and the ids in [a, b)."""
    mask_V = torch.zeros(vocabulary_size, dtype=torch.bool, device=device)
    mask_V[:4] = True
    mask_V[token_range[0] : token_range[1]] = True
    return mask_V[None]


def batch_loss(
    model: nn.Module,
    batch: Batch,
    objective: Objective,
    *,
    step: int = 0,
    generator: torch.Generator | None = None,
) -> LossSums:
    """Run the model on a batch and sum the losses of its target tokens.

    The vocabulary-wide projection is computed only where a label stands, which is what most of
    the reference's time at short targets went into. ``generator`` draws the sampled patches.
    """
    sampled = objective.sampled_patches if batch.images_B3HW is not None else 0
    encoded = model.encode(  # type: ignore[operator]
        batch.source_BS,
        batch.images_B3HW,
        batch.image_mask_B,
        num_sampled_patches=sampled or None,
        generator=generator,
    )
    features_BTD = model.decode(batch.prev_BT, encoded, batch.code_mask_B)  # type: ignore[operator]
    wanted_BT = batch.labels_BT != PAD
    logits_NV = model.project(features_BTD[wanted_BT])  # type: ignore[operator]
    labels_N = batch.labels_BT[wanted_BT]
    weight_N = batch.weight_B[:, None].expand_as(batch.labels_BT)[wanted_BT]
    allowed = None
    if objective.token_range is not None:
        allowed = range_mask(objective.token_range, logits_NV.shape[-1], logits_NV.device)
    loss_N, nll_N = token_losses(
        logits_NV,
        labels_N,
        label_smoothing=objective.label_smoothing,
        weight_N=None if bool((weight_N == 1).all()) else weight_N,
        allowed_NV=allowed,
    )
    if objective.drop_worst > 0 and step > objective.drop_worst_after:
        loss_N, nll_N = drop_worst(loss_N, nll_N, objective.drop_worst)
    return LossSums(loss_N.sum(), nll_N.sum().detach(), loss_N.numel())


def drop_worst(loss_N: Tensor, nll_N: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Keep the int(N * (1 - share)) tokens with the smallest loss."""
    kept = torch.topk(loss_N, int(loss_N.numel() * (1 - share)), largest=False).indices
    return loss_N[kept], nll_N[kept]


def num_targets(batch: Batch) -> int:
    """Number of tokens with a target in a batch."""
    return int((batch.labels_BT != PAD).sum())
