"""The reference's small model and its saved cases, for the parity tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from components.model.config import ModelConfig
from components.model.model import UnifiedModel

MINI = ModelConfig(
    vocabulary_size=59_457,
    d_model=64,
    ffn_dim=256,
    encoder_layers=2,
    decoder_layers=2,
    num_heads=4,
    trunk_blocks=(3, 4, 6),
    dropout=0.0,
    drop_path=0.0,
)


def reference_model(parity: Path, **changes: Tensor) -> UnifiedModel:
    """Our model with the reference's weights; every name must be known but three constants."""
    model = UnifiedModel(MINI).eval()
    tensors = {**load_file(parity / "weights.safetensors"), **changes}
    outcome = model.load_state_dict(tensors, strict=False)
    assert not outcome.missing_keys
    known = {"encoder.version", "decoder.version", "decoder.image_position_idx"}
    assert set(outcome.unexpected_keys) <= known
    return model


@dataclass
class Case:
    """One saved case: inputs as tensors, outputs as arrays."""

    arrays: dict[str, np.ndarray]

    @classmethod
    def load(cls, parity: Path, name: str) -> Case:
        with np.load(parity / "cases" / f"{name}.npz", allow_pickle=False) as file:
            return cls(dict(file))

    def tensor(self, name: str) -> Tensor | None:
        return torch.from_numpy(self.arrays[name]) if name in self.arrays else None

    @property
    def source(self) -> Tensor:
        return torch.from_numpy(self.arrays["src_tokens"])

    @property
    def prev(self) -> Tensor:
        return torch.from_numpy(self.arrays["prev_output_tokens"])

    @property
    def labels(self) -> Tensor:
        """Previous tokens shifted left, eos after the last of them."""
        prev = self.prev
        labels = torch.full_like(prev, 1)
        for row, tokens in enumerate(prev):
            last = int((tokens != 1).nonzero()[-1])
            labels[row, :last] = tokens[1 : last + 1]
            labels[row, last] = 2
        return labels

    def encode(self, model: UnifiedModel):  # type: ignore[no-untyped-def]
        orders = self.tensor("patch_orders")
        return model.encode(
            self.source,
            self.tensor("patch_images"),
            self.tensor("patch_masks"),
            patch_orders_BK=None if orders is None else orders.long(),
        )
