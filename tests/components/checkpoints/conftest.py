"""Two models to carry through files of others: a small one of our own, and the reference's."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from components.checkpoints.names import DERIVED, fairseq_tensors
from components.checkpoints.settings import fairseq_settings
from components.model.config import ModelConfig, model_config
from components.model.model import UnifiedModel
from tests.components.model.parity import MINI, Case
from tests.conftest import SHARED


@dataclass(frozen=True)
class Sample:
    """A model as fairseq names it, and how far another's logits are from what they should be."""

    config: ModelConfig
    tensors: dict[str, Tensor]
    distance: Callable[[UnifiedModel], float]

    @property
    def flags(self) -> dict[str, Any]:
        return fairseq_settings(self.config)

    def checkpoint(self, **changes: Any) -> dict[str, Any]:
        """A file of fairseq, as far as anybody reads it."""
        return {
            "args": None,
            "cfg": {"model": Namespace(**self.flags), "task": {"orig_patch_image_size": 256}},
            "model": self.tensors,
            "extra_state": {"train_iterator": {"epoch": 3}, "best": 0.5},
            **changes,
        }


def make_own(**changes: Any) -> UnifiedModel:
    """A small model in which every number is random, the statistics too."""
    torch.manual_seed(0)
    small = {"image_bucket_size": 8, "max_positions": 64, "code_image_size": 32}
    settings: dict[str, Any] = {"vocabulary_size": 300, **small, **changes}
    model = UnifiedModel(model_config("debug", **settings)).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    for name, parameter in model.named_parameters():
        if name.endswith(("bias", "c_attn")):
            nn.init.uniform_(parameter, 0.5, 1.0)
    return model


@torch.no_grad()
def logits_of(model: UnifiedModel) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    source = torch.randint(4, 300, (2, 7), generator=generator)
    prev = torch.randint(4, 300, (2, 5), generator=generator)
    images = torch.randn(2, 3, 48, 64, generator=generator)
    codes = torch.tensor([True, False])
    return model.eval()(source, prev, images, None, codes)


@pytest.fixture(scope="session")
def own() -> Sample:
    model = make_own()
    wanted = logits_of(model)

    def distance(other: UnifiedModel) -> float:
        return float((logits_of(other) - wanted).abs().max())

    return Sample(model.config, fairseq_tensors(model.state_dict(), model.config), distance)


@pytest.fixture(scope="session")
def reference(shared_parity: Path) -> Sample:
    case = Case.load(shared_parity, "image")
    columns = torch.from_numpy(case.arrays["logit_columns"])
    wanted = torch.from_numpy(case.arrays["logits_sub"])
    held = load_file(shared_parity / "weights.safetensors")
    weights = {name: value for name, value in held.items() if name not in DERIVED}

    @torch.no_grad()
    def distance(other: UnifiedModel) -> float:
        features = other.eval().decode(case.prev, case.encode(other))
        return float((other.project(features)[..., columns] - wanted).abs().max())

    return Sample(MINI, fairseq_tensors(weights, MINI), distance)


@pytest.fixture(scope="session")
def sample(request: pytest.FixtureRequest) -> Sample:
    """The reference's model where it is at hand, else ours: each import costs a process."""
    found: Sample = request.getfixturevalue("reference" if SHARED.is_dir() else "own")
    return found
