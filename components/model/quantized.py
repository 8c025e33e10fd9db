"""Weights in 8 bits, for a model that only answers, on a CPU.

Method: dynamic quantisation by torch (weights symmetric, one scale for each output; activations
scaled as they come).
"""

from __future__ import annotations

import warnings

import torch
from torch import nn

from components.errors import UserError
from components.model.model import UnifiedModel


def quantize_linear(model: UnifiedModel) -> UnifiedModel:
    """The model with its linear layers in 8 bits; convolutions and the token matrix stay.

    UserError on a GPU, where torch has no such kernels.
    """
    if model.encoder.embed_tokens.weight.device.type != "cpu":
        raise UserError(
            "8 bits are for CPUs alone", why="torch has these kernels for no other device",
            next_command="leave out int8, or set the device to cpu",
        )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch is pinned; its successor needs a compiler
        from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

        kinds = {nn.Linear: per_channel_dynamic_qconfig}
        quantized: UnifiedModel = quantize_dynamic(  # type: ignore[no-untyped-call]
            model, kinds, dtype=torch.qint8, inplace=True
        )
    return quantized
