"""One optimizer step over an effective batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from components.training.distributed import (
    average_statistics,
    rank_and_world,
    sum_gradients,
    sum_values,
)
from components.training.objective import Batch, Objective, batch_loss, loss_size
from components.training.optimizer import Adam
from components.training.sharding import run_idle

# An effective batch: parts whose losses are averaged one by one and then added (pretraining has
# two, everything else one), each cut into micro-batches that fit into memory.
Parts = Sequence[Sequence[Batch]]


@dataclass(frozen=True)
class StepReport:
    """What a step showed: mean loss per part, gradient norm before clipping, tokens, and the
    learning rate that it was made with.

    ``streams``: nats a token of each kind of sample, None of a kind that had no token.
    """

    losses: list[float]
    gradient_norm: float
    num_tokens: int
    learning_rate: float
    streams: list[float | None] = field(default_factory=list)


def seed_step(seed: int, step: int, micro: int) -> torch.Generator:
    """Seed everything random of a micro-batch from (seed, step, micro); return a generator.

    Dropout follows from the step alone, so that a resumed run equals an uninterrupted one.
    """
    value = (seed * 1_000_003 + step * 1009 + micro) % (2**63)
    torch.manual_seed(value)
    generator = torch.Generator()
    generator.manual_seed(value)
    return generator


def train_step(
    model: nn.Module,
    parts: Parts,
    optimizer: Adam,
    objective: Objective,
    *,
    seed: int,
    step: int,
    learning_rate: float,
    clip_norm: float,
    autocast: torch.dtype | None = None,
    num_streams: int = 0,
    sharded: bool = False,
) -> StepReport:
    """Forward and backward over all parts, clip, update. ``step`` counts from 1.

    Each part's loss is divided by its size (target tokens) over all micro-batches, so that
    cutting a batch into smaller ones changes nothing but rounding (and batch-norm statistics).
    Where weights are ``sharded``, ranks with one micro-batch less make an idle pass for it.
    A gradient that is not finite changes nothing.
    Patches are sampled of the first part's images alone (image-text pairs), as in the reference.
    """
    optimizer.clear_gradients()
    rank, world = rank_and_world()
    device = next(model.parameters()).device
    totals, sums, micro = [], [], 0
    streams_K2 = torch.zeros(num_streams, 2, dtype=torch.float64, device=device)
    for number, part in enumerate(parts):
        if number:
            objective = replace(objective, sampled_patches=0)
        total = max(sum(loss_size(batch, objective, step) for batch in part), 1)
        loss_sum = 0.0
        for batch in part:
            micro += 1
            if (micro - 1) % world != rank:
                continue
            generator = seed_step(seed, step, micro)
            with torch.autocast(device.type, dtype=autocast, enabled=autocast is not None):
                batch_sums = batch_loss(
                    model, batch, objective, step=step, generator=generator, num_streams=num_streams
                )
            (batch_sums.loss / total).backward()  # type: ignore[no-untyped-call]
            loss_sum += float(batch_sums.loss.detach()) / total
            if batch_sums.streams_K2 is not None:
                streams_K2 += batch_sums.streams_K2
        totals.append(total)
        sums.append(loss_sum)
    if sharded and rank >= (micro % world or world):
        with torch.autocast(device.type, dtype=autocast, enabled=autocast is not None):
            run_idle(model)
    sum_gradients(model.parameters())
    norm = optimizer.clip_gradients(clip_norm)
    if math.isfinite(norm):  # else the weights would be lost before anyone can stop the run
        optimizer.step(learning_rate)
    average_statistics(model)
    means = sum_values([*sums, *streams_K2.flatten().tolist()], device)
    means, streams = means[: len(sums)], means[len(sums) :]
    per_token = [a / n if n else None for a, n in zip(streams[::2], streams[1::2], strict=True)]
    return StepReport(means, norm, sum(totals), learning_rate, per_token)
