"""Adam with decoupled weight decay on every parameter, as fairseq's (public code, optim/adam).

On sharded parameters it works on the part that this rank holds: every element goes by itself.
It differs from ``torch.optim.AdamW`` in one place: epsilon is added to the uncorrected root. Kept,
so that trajectories equal the reference's; the arithmetic is torch's fused kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from components.training.distributed import is_sharded, local, sum_values


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
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        norm = _global_norm(gradients)
        scale = torch.clamp(max_norm / (norm + 1e-6), max=1.0)  # as torch's own
        torch._foreach_mul_([local(g) for g in gradients], scale)
        return float(norm)

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
            [local(self.parameters[name]) for name in names],
            [local(gradient) for gradient in with_gradient.values()],
            [local(self.first[name]) for name in names],
            [local(self.second[name]) for name in names],
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


def _global_norm(gradients: list[Tensor]) -> Tensor:
    """The norm of all gradients together, over the parts of all ranks where they are sharded."""
    sharded = [local(gradient) for gradient in gradients if is_sharded(gradient)]
    norm = nn.utils.get_total_norm([gradient for gradient in gradients if not is_sharded(gradient)])
    if not sharded:
        return norm
    square = float(nn.utils.get_total_norm(sharded)) ** 2
    (total,) = sum_values([square], sharded[0].device)
    return (norm.to(sharded[0].device) ** 2 + total).sqrt()
