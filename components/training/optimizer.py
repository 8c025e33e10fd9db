"""Adam with decoupled weight decay on every parameter, as fairseq's (public code, optim/adam).

It differs from ``torch.optim.AdamW`` in one place: epsilon is added to the uncorrected root, and
the bias correction multiplies the step size. Kept, so that trajectories equal the reference's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


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
        names, gradients = list(with_gradient), list(with_gradient.values())
        parameters: list[Tensor] = [self.parameters[name] for name in names]
        first, second = [self.first[n] for n in names], [self.second[n] for n in names]
        beta1, beta2 = self.betas
        torch._foreach_mul_(first, beta1)
        torch._foreach_add_(first, gradients, alpha=1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, gradients, gradients, 1 - beta2)
        roots = torch._foreach_sqrt(second)
        torch._foreach_add_(roots, self.epsilon)
        if self.weight_decay:
            torch._foreach_mul_(parameters, 1 - learning_rate * self.weight_decay)
        correction1 = 1 - beta1**self.num_steps
        correction2 = 1 - beta2**self.num_steps
        step_size = learning_rate * math.sqrt(correction2) / correction1
        torch._foreach_addcdiv_(parameters, first, roots, -step_size)

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
