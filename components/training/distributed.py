"""Sums over the ranks of a data-parallel group; with one process they do nothing.

An effective batch is a list of micro-batches whatever the number of ranks: rank r takes every
world-th of them. So the number of workers changes the grouping of sums and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import nn


def rank_and_world() -> tuple[int, int]:
    """This process's rank and the number of ranks; (0, 1) outside a group."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


@torch.no_grad()
def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Add the gradients of all ranks; a parameter that a rank did not use counts as zero there."""
    if rank_and_world()[1] == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        dist.all_reduce(parameter.grad)


@torch.no_grad()
def average_statistics(model: nn.Module) -> None:
    """Make batch-norm statistics the mean over the ranks, so that all ranks stay one model."""
    world = rank_and_world()[1]
    if world == 1:
        return
    for buffer in model.buffers():
        if buffer.is_floating_point():
            dist.all_reduce(buffer)
            buffer.div_(world)


def sum_values(values: list[float], device: torch.device) -> list[float]:
    """Element-wise sum over the ranks."""
    if rank_and_world()[1] == 1:
        return values
    total = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(total)
    return [float(value) for value in total]
