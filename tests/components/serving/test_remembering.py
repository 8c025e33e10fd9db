"""The trunk runs once for an image, and what it gave stays right."""

from __future__ import annotations

import torch

from components.model.config import model_config
from components.model.vision import Trunk
from components.serving.remembering import RememberedTrunk


def make_trunk(max_images: int) -> RememberedTrunk:
    torch.manual_seed(0)
    return RememberedTrunk(Trunk(model_config("debug")).eval(), max_images).eval()


@torch.no_grad()
def test_equal_images_are_computed_once() -> None:
    remembered = make_trunk(max_images=8)
    images = torch.rand(3, 3, 32, 32)
    asked = images[[0, 1, 0, 0]]
    wanted = remembered.trunk(asked)
    assert torch.allclose(remembered(asked), wanted, atol=1e-5)
    assert remembered.num_computed == 2
    again = remembered(images)
    assert remembered.num_computed == 3
    assert torch.equal(again[:2], remembered(images[:2])) and remembered.num_computed == 3


@torch.no_grad()
def test_the_oldest_is_forgotten_and_another_size_is_another_image() -> None:
    remembered = make_trunk(max_images=2)
    small, large = torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 64, 64)
    assert remembered(small).shape != remembered(large).shape
    remembered(torch.ones(1, 3, 32, 32))
    assert len(remembered.known) == 2 and remembered.num_computed == 3
    remembered(small)
    assert remembered.num_computed == 4
