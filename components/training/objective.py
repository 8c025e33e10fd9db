"""The objective of a batch: which tokens count, and how their losses are summed.

Method: OFA (public code, adjusted label-smoothed cross-entropy): sample weights multiply
log-probabilities, the smoothing mass spreads over the allowed tokens only, the worst tokens may
be dropped, and R-Drop may compare two passes.

Shape letters: C passes, B samples, T target positions, M positions with a target that counts,
D width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from components.model.specials import EOS, PAD
from components.training.losses import Targets, chunked_losses, drop_worst

TINY = 1e-9  # a sample that only fills a batch up weighs nothing


class Batch(Protocol):
    """What a training step needs of a batch; made by the data side.

    ``allowed_BTK`` lists the tokens that each position may have, where it is not None; ``stream_B``
    numbers the kind of each sample, whose likelihood is told apart.
    """

    source_BS: Tensor
    images_B3HW: Tensor | None
    image_mask_B: Tensor | None
    prev_BT: Tensor
    labels_BT: Tensor
    code_mask_B: Tensor | None
    weight_B: Tensor
    allowed_BTK: Tensor | None
    stream_B: Tensor | None

    def to(self, device: str) -> Batch:
        """The same batch on a device."""
        ...


@dataclass(frozen=True)
class Objective:
    """What is varied about the loss. ``token_range`` allows the specials and ids in [a, b).

    ``rdrop`` is the weight of R-Drop's agreement of two passes; ``ignore_prefix`` leaves out that
    many first targets of each sample; ``per_sample`` divides by samples instead of tokens.
    """

    label_smoothing: float = 0.0
    drop_worst: float = 0.0
    drop_worst_after: int = 0
    token_range: tuple[int, int] | None = None
    sampled_patches: int = 0
    ignore_prefix: int = 0
    ignore_eos: bool = False
    per_sample: bool = False
    rdrop: float = 0.0


@dataclass(frozen=True)
class LossSums:
    """Sums over the kept tokens of a batch; divide ``loss`` by ``size`` for the mean.

    ``streams_K2``: of each stream, dropped tokens too, the negative log-likelihood without its
    samples' weight, and the number of tokens.
    """

    loss: Tensor
    nll: Tensor
    size: int
    streams_K2: Tensor | None = None


def counted(labels_BT: Tensor, objective: Objective) -> Tensor:
    """Bool (B, T): which positions have a target that counts."""
    counts_BT = labels_BT != PAD
    if objective.ignore_eos:
        counts_BT &= labels_BT != EOS
    counts_BT[:, : objective.ignore_prefix] = False
    return counts_BT


def loss_size(batch: Batch, objective: Objective, step: int = 0) -> int:
    """What the loss sum of a batch is divided by: its kept tokens, or its samples."""
    copies = 2 if objective.rdrop > 0 else 1
    if objective.per_sample:
        return copies * len(batch.labels_BT)
    num = int(counted(batch.labels_BT, objective).sum())
    return copies * (int(num * (1 - objective.drop_worst)) if _drops(objective, step) else num)


def batch_loss(
    model: nn.Module,
    batch: Batch,
    objective: Objective,
    *,
    step: int = 0,
    generator: torch.Generator | None = None,
    num_streams: int = 0,
) -> LossSums:
    """Run the model on a batch and sum the losses of its target tokens.

    The vocabulary-wide projection is computed only where a target counts, a chunk at a time.
    ``generator`` draws the sampled patches.
    """
    counts_BT = counted(batch.labels_BT, objective)
    weight_M = batch.weight_B[:, None].expand_as(batch.labels_BT)[counts_BT]
    matrix_VD = model.token_matrix()  # type: ignore[operator]  # before the pass: see there
    targets = Targets(
        labels_M=batch.labels_BT[counts_BT],
        weight_M=None if bool((weight_M == 1).all()) else weight_M,
        allowed_MV=_allowed(batch, counts_BT, len(matrix_VD)),
        label_smoothing=objective.label_smoothing,
        token_range=objective.token_range,
    )
    features_CBTD = _run(model, batch, objective, generator)
    losses = chunked_losses(matrix_VD, features_CBTD[:, counts_BT], targets)
    streams_K2 = None
    if num_streams and batch.stream_B is not None:
        stream_M = batch.stream_B[:, None].expand_as(batch.labels_BT)[counts_BT]
        streams_K2 = _by_stream(
            losses.nll_CM.detach().mean(0) / weight_M.clamp_min(TINY), stream_M, num_streams
        )
    if _drops(objective, step):  # decided on the first pass
        losses = losses.keep(drop_worst(losses.loss_CM[0], objective.drop_worst))
    loss = losses.loss_CM.sum()
    if losses.agreement_M is not None:
        loss = loss + objective.rdrop * losses.agreement_M.sum()
    size = loss_size(batch, objective, step)
    return LossSums(loss, losses.nll_CM.sum().detach(), size, streams_K2)


def _allowed(batch: Batch, counts_BT: Tensor, vocabulary_size: int) -> Tensor | None:
    """Bool (M, V) of the tokens that each position with a target may have."""
    if batch.allowed_BTK is None:
        return None
    ids_MK = batch.allowed_BTK[counts_BT]
    none_MV = torch.zeros(len(ids_MK), vocabulary_size, dtype=torch.bool, device=ids_MK.device)
    return none_MV.scatter_(1, ids_MK, True)


def _by_stream(nll_M: Tensor, stream_M: Tensor, num_streams: int) -> Tensor:
    """Sum and number of the tokens of each stream, (K, 2) in float64."""
    pairs_M2 = torch.stack([nll_M.double(), torch.ones_like(nll_M, dtype=torch.float64)], -1)
    return pairs_M2.new_zeros(num_streams, 2).index_add_(0, stream_M, pairs_M2)


def _drops(objective: Objective, step: int) -> bool:
    return objective.drop_worst > 0 and step > objective.drop_worst_after


def _run(
    model: nn.Module, batch: Batch, objective: Objective, generator: torch.Generator | None
) -> Tensor:
    """Features (C, B, T, D) of C passes over the batch: two, with dropout of its own, for R-Drop.

    The passes share a forward call, as in the reference.
    """
    copies = 2 if objective.rdrop > 0 else 1

    def repeat(x: Tensor | None) -> Tensor | None:
        return x if x is None or copies == 1 else torch.cat([x] * copies)

    sampled = objective.sampled_patches if batch.images_B3HW is not None else 0
    encoded = model.encode(  # type: ignore[operator]
        repeat(batch.source_BS),
        repeat(batch.images_B3HW),
        repeat(batch.image_mask_B),
        num_sampled_patches=sampled or None,
        generator=generator,
    )
    features: Tensor = model.decode(repeat(batch.prev_BT), encoded, repeat(batch.code_mask_B))  # type: ignore[operator]
    return features.view(copies, -1, *features.shape[1:])
