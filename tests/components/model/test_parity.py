"""Every saved case of the reference, layer by layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from components.model.positions import code_ids, image_buckets, token_buckets
from tests.components.model.parity import MINI, Case, reference_model

CASES = ["text", "text_long", "image", "image_rect", "image_sample", "image_code", "mixed_code"]
TOLERANCE = 1e-4


LAYERS = [f"{kind}_state_{i}" for kind in ("encoder", "decoder") for i in (0, 1, 2)]


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_states_and_features(shared_parity: Path, name: str) -> None:
    """What enters the first layer, what leaves each, and what comes out."""
    model, case = reference_model(shared_parity), Case.load(shared_parity, name)
    states: dict[str, np.ndarray] = {}

    def keep(key: str):  # type: ignore[no-untyped-def]
        def hook(_: nn.Module, entering: tuple[Tensor, ...], leaving: object = None) -> None:
            leaving = leaving[0] if isinstance(leaving, tuple) else leaving
            states[key] = (entering[0] if leaving is None else leaving).numpy()  # type: ignore[attr-defined]

        return hook

    for kind in ("encoder", "decoder"):
        layers = getattr(model, kind).layers
        layers[0].register_forward_pre_hook(keep(f"{kind}_state_0"))
        for i, layer in enumerate(layers):
            layer.register_forward_hook(keep(f"{kind}_state_{i + 1}"))
    encoded = case.encode(model)
    features = model.decode(case.prev, encoded, case.tensor("code_masks"))
    states |= {"encoder_out": encoded.states.numpy(), "features": features.numpy()}
    assert states.keys() == {*LAYERS, "encoder_out", "features"}
    for key, value in states.items():
        assert value.shape == case.arrays[key].shape, key
        assert np.abs(value - case.arrays[key]).max() < TOLERANCE, key


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_logits(shared_parity: Path, name: str) -> None:
    """Some columns, at every position or at some; over all columns mean, deviation, the highest."""
    model, case = reference_model(shared_parity), Case.load(shared_parity, name)
    held = case.arrays
    logits = model.project(model.decode(case.prev, case.encode(model), case.tensor("code_masks")))
    places = case.tensor("logits_pos")
    chosen = logits if places is None else logits[:, places]
    chosen = chosen[..., torch.from_numpy(held["logit_columns"]).long()]
    wanted = held["logits_sub" if places is None else "logits_at_sub"]
    assert chosen.shape == wanted.shape
    assert np.abs(chosen.numpy() - wanted).max() < TOLERANCE
    whole = {
        "logits_mean": logits.mean(-1),
        "logits_std": logits.std(-1),
        "logits_lse": logits.logsumexp(-1),
    }
    for key, value in whole.items():
        assert np.abs(value.numpy() - held[key]).max() < TOLERANCE, key
    assert (logits.argmax(-1).numpy() == held["logits_argmax"]).all()


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_padding_and_positions(shared_parity: Path, name: str) -> None:
    """The decoder's view of the encoder: which positions are hidden, and where each one stands."""
    model, case = reference_model(shared_parity), Case.load(shared_parity, name)
    encoded, wanted = case.encode(model), case.arrays["encoder_padding_mask"]
    assert (encoded.padding is None) == (not wanted.any())
    if encoded.padding is not None:
        assert (encoded.padding.numpy() == wanted).all()
    held = case.arrays["position_embeddings"]
    positions = encoded.positions.expand(held.shape).numpy()
    assert np.abs(positions - held).max() < TOLERANCE


@torch.no_grad()
def test_trunk_output(shared_parity: Path) -> None:
    model, case = reference_model(shared_parity), Case.load(shared_parity, "image_rect")
    cells = model.encoder.embed_images(case.tensor("patch_images"))
    assert cells.shape == case.arrays["resnet_out"].shape
    assert np.abs(cells.numpy() - case.arrays["resnet_out"]).max() < TOLERANCE


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
