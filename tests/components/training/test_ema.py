"""The running average of a model."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from components.training.ema import Average


@pytest.mark.parametrize("decay", [0.3, 0.9, 0.999, 0.9999])
def test_what_does_not_change_stays_what_it_is(decay: float) -> None:
    torch.manual_seed(0)
    model = nn.Linear(64, 64)
    before = model.weight.detach().clone()
    average = Average(model, decay)
    for _ in range(2000):
        average.update(model)
    assert torch.equal(average.values["weight"], before)


def test_the_average_follows_the_formula() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 3)
    expected = model.weight.detach().double()
    average = Average(model, 0.9)
    for _ in range(20):
        with torch.no_grad():
            model.weight.add_(torch.randn(3, 3))
        average.update(model)
        expected = 0.9 * expected + 0.1 * model.weight.detach().double()
    torch.testing.assert_close(average.values["weight"].double(), expected, rtol=1e-6, atol=1e-6)
