"""Which device computes: what ``compute.device`` means on this machine."""

from __future__ import annotations

from components.errors import UserError


def pick_device(wanted: str) -> str:
    """``cpu`` or ``cuda``; ``auto`` is CUDA where torch can use some.

    UserError where CUDA is wanted and there is none.
    """
    if wanted == "cpu":
        return wanted
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "auto":
        return "cpu"
    raise UserError(
        f"the device {wanted} is asked for, and torch finds no GPU here",
        next_command="biomedgpt doctor, which says why; or ask for auto or cpu (compute.device in "
        "params.yaml)",
    )
