"""The parity tests can see: each wrong structure, and each parameter that matters, moves them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import components.model.decoder as decoder_module
import components.model.encoder as encoder_module
from components.model.model import UnifiedModel
from components.model.positions import image_buckets
from tests.components.model.parity import MINI, Case, reference_model

TOLERANCE = 1e-4
NUM_POSITIONS = 40  # of the targets: enough for every table, and quick
STRUCTURES = (
    "token bucket transposed",
    "image bucket transposed",
    "attn_scale_factor 1",
    "entangled decoder",
)
INERT = re.compile(r"(k_proj|pos_k_linear)\.bias$")  # softmax cancels what all keys share


@cache
def read_case(parity: Path) -> Case:
    """Text and code targets over images and text, cut to the first positions."""
    return Case.load(parity, "mixed_code")


@torch.no_grad()
def measure(parity: Path, model: UnifiedModel) -> float:
    """Largest difference of a feature from the reference's."""
    case = read_case(parity)
    prev = case.prev[:, :NUM_POSITIONS]
    features = model.decode(prev, case.encode(model), case.tensor("code_masks")).numpy()
    wanted = case.arrays["features"][:, :NUM_POSITIONS]
    return float(np.abs(features - wanted)[prev.numpy() != 1].max())


def read_names(parity: Path) -> list[str]:
    names: list[str] = list(json.loads((parity / "neg_control.json").read_text()))
    return names


def test_the_right_structure_passes(shared_parity: Path) -> None:
    assert measure(shared_parity, reference_model(shared_parity)) < TOLERANCE


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_wrong_structure_fails(
    shared_parity: Path, structure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {
        "attn_scale_factor 1": {"attn_scale_factor": 1.0},
        "entangled decoder": {"disable_entangle": False},
    }.get(structure, {})
    model = UnifiedModel(replace(MINI, **changes)).eval()
    model.load_state_dict(load_file(shared_parity / "weights.safetensors"), strict=False)
    if structure == "token bucket transposed":
        for side in (model.encoder, model.decoder):
            side.buckets = side.buckets.T.contiguous()  # type: ignore[union-attr]
    if structure == "image bucket transposed":
        for module in (encoder_module, decoder_module):
            monkeypatch.setattr(
                module, "image_buckets", lambda q, k, side: image_buckets(k, q, side).mT
            )
    assert measure(shared_parity, model) > 10 * TOLERANCE


class Known(nn.Module):
    """Stands for a trunk whose output is known already."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features

    def forward(self, _: Tensor) -> Tensor:
        return self.features


@torch.no_grad()
def test_every_other_parameter_matters_and_no_inert_one_does(shared_parity: Path) -> None:
    names = [name for name in read_names(shared_parity) if name not in STRUCTURES]
    assert len(names) > 80
    model = reference_model(shared_parity)
    named, trunk = dict(model.named_parameters()), model.encoder.embed_images
    images = read_case(shared_parity).tensor("patch_images")
    known = Known(trunk(images))
    for name in names:
        pattern = re.compile(re.escape(name).replace(r"\.N\.", r"\.\d+\.").replace(r"\*", ".*"))
        model.encoder.embed_images = trunk if "embed_images" in name else known
        kept = {n: p.clone() for n, p in named.items() if pattern.fullmatch(n)}
        assert kept, name
        torch.manual_seed(1)
        for n, value in kept.items():
            named[n].mul_(1 + 0.1 * torch.randn_like(value))
        moved = measure(shared_parity, model)
        for n, value in kept.items():
            named[n].copy_(value)
        assert (moved < TOLERANCE) if INERT.search(name) else (moved > TOLERANCE), (name, moved)
