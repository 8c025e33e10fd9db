"""The loss of examples that are not learnt from, by which a run may choose what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from components.training.distributed import rank_and_world, sum_values
from components.training.objective import Batch, Objective, batch_loss

HeldOut = Callable[[], Iterable[Batch]]  # gives the same batches each time, one after another


@torch.no_grad()
def validation_nll(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    autocast: torch.dtype | None = None,
    sharded: bool = False,
) -> float:
    """Nats a token of the batches, without smoothing or dropout; the model is left in training.

    Rank r computes every ``world``-th batch. Where weights are ``sharded`` each rank computes all,
    since every rank must run the model equally often. nan where there is no token.
    """
    device = next(model.parameters()).device
    rank, world = (0, 1) if sharded else rank_and_world()
    modes = {module: module.training for module in model.modules()}
    model.eval()
    total, num = 0.0, 0.0
    for number, batch in enumerate(batches):
        if number % world == rank:
            with torch.autocast(device.type, dtype=autocast, enabled=autocast is not None):
                sums = batch_loss(model, batch.to(str(device)), Objective())
            total, num = total + float(sums.nll), num + sums.size
    for module, mode in modes.items():
        module.training = mode
    if not sharded:
        total, num = sum_values([total, num], device)
    return total / num if num else float("nan")
