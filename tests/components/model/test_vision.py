"""The trunk whose batch norms are folded into its convolutions."""

from __future__ import annotations

import copy

import torch
from torch import nn

from components.model.config import model_config
from components.model.vision import Trunk


def test_folded_trunk_gives_the_same_features() -> None:
    torch.manual_seed(0)
    trunk = Trunk(model_config("debug", 64)).eval()
    norms = [module for module in trunk.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias)
    folded = copy.deepcopy(trunk)
    folded.fold_batch_norm()
    assert norms and not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    images = torch.randn(2, 3, 50, 70)
    with torch.no_grad():
        torch.testing.assert_close(folded(images), trunk(images), rtol=1e-4, atol=1e-4)
    folded.fold_batch_norm()  # a second time there is nothing to do
