"""An exponential moving average of a model's state."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
        for name, value in _entries(model):
            kept = self.values[name]
            if value.is_floating_point():
                kept.lerp_(value, 1 - self.decay)  # leaves alone what does not change
            else:
                kept.copy_(value)

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Put the averaged state into the model."""
        for name, value in _entries(model):
            value.copy_(self.values[name])

    @torch.no_grad()
    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Restore an average from a checkpoint."""
        for name, kept in self.values.items():
            kept.copy_(tensors[name])


def _entries(model: nn.Module) -> list[tuple[str, Tensor]]:
    seen: set[int] = set()
    entries = []
    for name, value in model.state_dict(keep_vars=True).items():
        if value.data_ptr() not in seen or value.numel() == 0:
            seen.add(value.data_ptr())
            entries.append((name, value.detach()))
    return entries
