"""An exponential moving average of a model's state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from components.training.distributed import local


class Average:
    """``average = decay * average + (1 - decay) * state`` over parameters and statistics.

    Batch-norm statistics are averaged too, counters are copied, and the tied matrix, which has
    several names but one storage, is averaged once.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: value.detach().clone() for name, value in _entries(model)}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take the model's present state in."""
        kept, values = [], []
        for name, value in _entries(model):
            if value.is_floating_point():
                kept.append(local(self.values[name]))
                values.append(local(value))
            else:
                self.values[name].copy_(value)
        torch._foreach_lerp_(kept, values, 1 - self.decay)  # leaves alone what does not change

    @contextmanager
    def shown(self, model: nn.Module) -> Iterator[None]:
        """Let the model have the averaged state for a while."""
        before = {name: value.clone() for name, value in _entries(model)}
        self.copy_to(model)
        yield
        with torch.no_grad():
            for name, value in _entries(model):
                local(value).copy_(local(before[name]))

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Put the averaged state into the model."""
        for name, value in _entries(model):
            local(value).copy_(local(self.values[name]))


def _entries(model: nn.Module) -> list[tuple[str, Tensor]]:
    seen: set[int] = set()
    entries = []
    for name, value in model.state_dict(keep_vars=True).items():
        storage = local(value).data_ptr()
        if storage not in seen or not storage:  # an empty part has no place in memory
            seen.add(storage)
            entries.append((name, value.detach()))
    return entries
