"""Sums over the ranks of a data-parallel group; with one process they do nothing.

An effective batch is a list of micro-batches whatever the number of ranks: rank r takes every
world-th of them. So the number of workers changes the grouping of sums and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

# Tensors are summed in buckets of about this size: one message for many small ones, and no copy
# of a large one.
BUCKET_BYTES = 2**26


def rank_and_world() -> tuple[int, int]:
    """This process's rank and the number of ranks; (0, 1) outside a group."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def is_sharded(tensor: Tensor) -> bool:
    """Whether each rank holds a part of the tensor only (a DTensor, whose import takes long)."""
    return hasattr(tensor, "to_local")


def local(tensor: Tensor) -> Tensor:
    """This rank's part of a sharded tensor, in the same memory; any other tensor as it is."""
    part: Tensor = tensor.detach().to_local() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]
    return part


@torch.no_grad()
def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Add the gradients of all ranks; a parameter that a rank did not use counts as zero there.

    One that no rank used keeps no gradient, as in a single process. Sharded parameters are left:
    their gradients are summed in the backward pass.
    """
    trained = [p for p in parameters if p.requires_grad and not is_sharded(p)]
    if rank_and_world()[1] == 1 or not trained:
        return
    used = sum_values([float(p.grad is not None) for p in trained], trained[0].device)
    gradients = []
    for parameter, count in zip(trained, used, strict=True):
        if count:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = gradient.to_dense() if gradient.is_sparse else gradient
            gradients.append(parameter.grad)
    sum_tensors(gradients)


@torch.no_grad()
def average_statistics(model: nn.Module) -> None:
    """Make batch-norm statistics the mean over the ranks, so that all ranks stay one model.

    Those of a frozen trunk are left as they are.
    """
    world = rank_and_world()[1]
    if world == 1:
        return
    running = [
        buffer
        for module in model.modules()
        if module.training
        for buffer in module.buffers(recurse=False)
        if buffer.is_floating_point()
    ]
    sum_tensors(running)
    for buffer in running:
        buffer.div_(world)


def sum_values(values: list[float], device: torch.device) -> list[float]:
    """Element-wise sum over the ranks."""
    if rank_and_world()[1] == 1:
        return values
    total = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(total)
    return [float(value) for value in total.tolist()]


def sum_tensors(tensors: Sequence[Tensor]) -> None:
    """Sum each tensor over the ranks, in place."""
    for bucket in _buckets(tensors):
        if len(bucket) == 1 and bucket[0].is_contiguous():
            dist.all_reduce(bucket[0])
            continue
        flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
        dist.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in bucket])
        for tensor, part in zip(bucket, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))


def share(value: Any, device: torch.device) -> Any:
    """What rank 0 has, at every rank; travels as JSON, so that nothing is unpickled."""
    rank, world = rank_and_world()
    if world == 1:
        return value
    text = json.dumps(value).encode() if rank == 0 else b""
    length = torch.tensor([len(text)], device=device)
    dist.broadcast(length, 0)
    content = torch.zeros(int(length), dtype=torch.uint8, device=device)
    if rank == 0:
        content.copy_(torch.frombuffer(bytearray(text), dtype=torch.uint8))
    dist.broadcast(content, 0)
    return json.loads(bytes(content.tolist()))


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbours of one type, together not much larger than BUCKET_BYTES."""
    bucket: list[Tensor] = []
    size = 0
    for tensor in tensors:
        if bucket and (tensor.dtype != bucket[0].dtype or size + tensor.nbytes > BUCKET_BYTES):
            yield bucket
            bucket, size = [], 0
        bucket.append(tensor)
        size += tensor.nbytes
    if bucket:
        yield bucket
