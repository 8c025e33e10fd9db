"""The encoder's position biases, split into their parts for training, against their sum."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from components.model.config import model_config
from components.model.encoder import Encoder
from components.model.model import UnifiedModel
from components.model.split_bias import SplitBias

CONFIG = dataclasses.replace(model_config("debug", 64), dropout=0.0, drop_path=0.0)
PIXELS = torch.linspace(-1, 1, 3 * 3 * 48 * 64, dtype=torch.float64).view(3, 3, 48, 64)
CASES = {
    "text alone": {},
    "image": {"images_B3HW": PIXELS},
    "hidden image": {"images_B3HW": PIXELS, "image_mask_B": torch.tensor([True, False, True])},
    "sampled cells": {
        "images_B3HW": PIXELS,
        "patch_orders_BK": torch.tensor([[3, 0, 7], [1, 2, 11], [5, 4, 9]]),
    },
}


def losses_and_gradients(inputs: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    torch.manual_seed(0)
    model = UnifiedModel(CONFIG).double()
    source = torch.tensor([[0, 9, 30, 12, 2], [0, 17, 2, 1, 1], [0, 8, 8, 2, 1]])
    found = model.encode(source, **inputs)  # type: ignore[arg-type]
    seen = torch.ones_like(found.states[..., 0]) if found.padding is None else ~found.padding
    loss = (found.states.square() * seen[..., None] * torch.arange(CONFIG.d_model)).mean()
    loss.backward()
    grads = {n: p.grad.to_dense() for n, p in model.named_parameters() if p.grad is not None}
    return loss.detach(), grads


@pytest.mark.parametrize("case", CASES)
def test_numbers_and_gradients_are_those_of_the_sum(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss, grads = losses_and_gradients(CASES[case])
    monkeypatch.setattr(Encoder, "_splits", lambda *_: False)
    wanted, wanted_grads = losses_and_gradients(CASES[case])
    torch.testing.assert_close(loss, wanted, rtol=1e-12, atol=0)
    assert grads.keys() == wanted_grads.keys()
    assert any("token_rel_pos_table_list" in name for name in grads)
    for name, grad in grads.items():
        torch.testing.assert_close(grad, wanted_grads[name], rtol=1e-9, atol=1e-12, msg=name)


def test_the_split_is_taken_in_training_only(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    weigh = SplitBias.weigh
    monkeypatch.setattr(SplitBias, "weigh", lambda *args: taken.append(1) or weigh(*args))
    model = UnifiedModel(CONFIG)
    source = torch.tensor([[0, 9, 2]])
    with torch.no_grad():
        model.encode(source)
    assert not taken
    model.encode(source)
    assert len(taken) == CONFIG.encoder_layers
    with torch.autocast("cpu", torch.bfloat16):
        model.encode(source)
    assert len(taken) == CONFIG.encoder_layers
