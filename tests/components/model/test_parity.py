"""Every saved case of the reference, layer by layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from components.model.positions import code_ids, image_buckets, token_buckets
from tests.components.model.parity import MINI, Case, reference_model

CASES = ["text", "text_long", "image", "image_rect", "image_sample", "image_code", "mixed_code"]
TOLERANCE = 1e-4


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_states_features_and_logits(shared_parity: Path, name: str) -> None:
    model, case = reference_model(shared_parity), Case.load(shared_parity, name)
    states: dict[str, np.ndarray] = {}

    def keep(key: str):  # type: ignore[no-untyped-def]
        def hook(_: nn.Module, __: object, out: object) -> None:
            states[key] = (out[0] if isinstance(out, tuple) else out).numpy()  # type: ignore[index]

        return hook

    for kind in ("encoder", "decoder"):
        for i, layer in enumerate(getattr(model, kind).layers):
            layer.register_forward_hook(keep(f"{kind}_state_{i + 1}"))
    encoded = case.encode(model)
    features = model.decode(case.prev, encoded, case.tensor("code_masks"))
    states |= {"encoder_out": encoded.states.numpy(), "features": features.numpy()}
    checked = [key for key in states if key in case.arrays]
    assert {"encoder_out", "features"} <= set(checked)
    for key in checked:
        assert np.abs(states[key] - case.arrays[key]).max() < TOLERANCE, key
    if "logits_sub" in case.arrays:
        logits = model.project(features).numpy()
        columns = case.arrays["logit_columns"]
        assert np.abs(logits[..., columns] - case.arrays["logits_sub"]).max() < TOLERANCE
        assert (logits.argmax(-1) == case.arrays["logits_argmax"]).all()


def test_buckets_equal_the_reference_tables(shared_parity: Path) -> None:
    with np.load(shared_parity / "buckets.npz", allow_pickle=False) as tables:
        assert (token_buckets(1024).numpy() == tables["token_rp_bucket"]).all()
        ids = torch.arange(42 * 42 + 1)
        assert (image_buckets(ids, ids).numpy() == tables["image_rp_bucket"]).all()
        assert (code_ids(MINI, 1026).numpy() == tables["image_position_idx"]).all()


@torch.no_grad()
def test_fresh_weights_do_not_pass(shared_parity: Path) -> None:
    """The control: parity must be able to fail."""
    torch.manual_seed(1)
    case = Case.load(shared_parity, "text")
    model = reference_model(shared_parity)
    for parameter in model.decoder.layers[1].fc2.parameters():
        nn.init.normal_(parameter, std=0.02)
    features = model.decode(case.prev, case.encode(model))
    assert np.abs(features.numpy() - case.arrays["features"]).max() > 100 * TOLERANCE
