"""Adam with decoupled weight decay on every parameter, as fairseq's (public code, optim/adam).

It differs from ``torch.optim.AdamW`` in one place: epsilon is added to the uncorrected root. Kept,
so that trajectories equal the reference's; the arithmetic is torch's fused kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw


class Adam:
    """Holds first and second moments by parameter name; parameters without gradient are left."""

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, nn.Parameter]],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        self.parameters = {name: p for name, p in named_parameters if p.requires_grad}
        self.betas, self.epsilon, self.weight_decay = betas, epsilon, weight_decay
        self.num_steps = 0
        self.first = {n: torch.zeros_like(p) for n, p in self.parameters.items()}
        self.second = {n: torch.zeros_like(p) for n, p in self.parameters.items()}

    def clear_gradients(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def clip_gradients(self, max_norm: float) -> float:
        """Scale gradients to a global norm of at most ``max_norm``; return the norm before."""
        return float(nn.utils.clip_grad_norm_(list(self.parameters.values()), max_norm))

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter that has a gradient."""
        self.num_steps += 1
        with_gradient = {n: p.grad for n, p in self.parameters.items() if p.grad is not None}
        if not with_gradient:
            return
        names = list(with_gradient)
        beta1, beta2 = self.betas
        # The reference adds epsilon to the root before its bias is corrected, torch after.
        epsilon = self.epsilon / math.sqrt(1 - beta2**self.num_steps)
        adamw(
            [self.parameters[name] for name in names],
            list(with_gradient.values()),
            [self.first[name] for name in names],
            [self.second[name] for name in names],
            [],
            [torch.tensor(self.num_steps - 1.0, device=g.device) for g in with_gradient.values()],
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=learning_rate,
            weight_decay=self.weight_decay,
            eps=epsilon,
            maximize=False,
        )

    def state_tensors(self) -> dict[str, Tensor]:
        """Moments as a flat dict, for a checkpoint."""
        first = {f"first.{name}": value for name, value in self.first.items()}
        second = {f"second.{name}": value for name, value in self.second.items()}
        return {**first, **second}

    @torch.no_grad()
    def load_state(self, tensors: dict[str, Tensor], num_steps: int) -> None:
        """Restore what ``state_tensors`` gave; names and shapes must match exactly."""
        for kind, moments in (("first", self.first), ("second", self.second)):
            for name, value in moments.items():
                value.copy_(tensors[f"{kind}.{name}"])
        self.num_steps = num_steps
