"""The learning rate as a function of the step."""

from __future__ import annotations


def polynomial_decay(step: int, total_steps: int, peak: float, warmup_share: float) -> float:
    """Linear warm-up to ``peak``, then linear to zero at ``total_steps``; ``step`` counts from 1.

    As the public training scripts set it (polynomial decay of power 1, end rate 0). The only step
    of a run has the peak: at the end's rate it would learn nothing.
    """
    warmup_steps = int(total_steps * warmup_share)
    if step <= warmup_steps:
        return peak * step / warmup_steps
    if step >= total_steps:
        return peak if total_steps == 1 else 0.0
    return peak * (total_steps - step) / (total_steps - warmup_steps)
