"""The projection to the vocabulary, for the few rows of a decoding step.

Shape letters: N rows, D width, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FEW_ROWS = 16
SLICE = 64


def project_rows(features: Tensor, matrix_VD: Tensor) -> Tensor:
    """Features (..., D) times the matrix, (..., V).

    For a few rows a matrix product on a CPU first rearranges the whole matrix, which takes longer
    than the product. As a batch of products with slices of it, it does not.
    """
    rows, num = features.numel() // features.shape[-1], len(matrix_VD) // SLICE
    worthwhile = 1 < rows <= FEW_ROWS and num > 1 and features.device.type == "cpu"
    if not worthwhile or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return F.linear(features, matrix_VD)
    slices = matrix_VD[: num * SLICE].view(num, SLICE, -1)
    features_ND = features.flatten(0, -2)
    logits_NV = (features_ND @ slices.mT).transpose(0, 1).flatten(1)
    rest_NV = F.linear(features_ND, matrix_VD[num * SLICE :])
    return torch.cat([logits_NV, rest_NV], 1).view(*features.shape[:-1], -1)
