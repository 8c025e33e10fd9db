"""Operations and parameters that are counted on paper, against torch's own counts."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from components.adapters import AdapterSettings, add_adapters
from components.dataset.collate import Batch
from components.model.config import ModelConfig, model_config
from components.model.flops import (
    BatchShape,
    Trained,
    forward_operations,
    parameters_by_part,
    step_flops,
)
from components.model.model import UnifiedModel
from components.model.vision_shapes import trunk_convolutions
from components.training.objective import Objective, batch_loss
from tests.components.model.test_sizes import COUNTS

VOCABULARY = 300
TEXT = BatchShape(3, 20, 9, 27)
IMAGE = BatchShape(2, 11, 7, 14, image_px=96)
SAMPLED = BatchShape(2, 11, 7, 10, image_px=96, sampled_patches=17)
ODD = BatchShape(1, 5, 30, 30, image_px=70)


def make_batch(shape: BatchShape, vocabulary: int = VOCABULARY) -> Batch:
    """Random tokens and pixels; the last positions have no target beyond ``learnt_tokens``."""
    torch.manual_seed(1)
    labels = torch.randint(4, vocabulary, (shape.samples, shape.target_tokens))
    prev = labels.clone()
    labels.view(-1)[shape.learnt_tokens :] = 1
    images = mask = None
    if shape.image_px:
        images = torch.randn(shape.samples, 3, shape.image_px, shape.image_px)
        mask = torch.ones(shape.samples, dtype=torch.bool)
    source = torch.randint(4, vocabulary, (shape.samples, shape.source_tokens))
    return Batch(source, images, mask, prev, labels, None, torch.ones(shape.samples))


def make_model(size: str = "debug", **changes: object) -> UnifiedModel:
    torch.manual_seed(0)
    return UnifiedModel(model_config(size, VOCABULARY, **changes)).train()


def run_step(model: UnifiedModel, shape: BatchShape) -> None:
    """Forward and backward. Under autocast attention on a CPU computes no bias twice."""
    objective = Objective(sampled_patches=shape.sampled_patches)
    with torch.autocast("cpu", torch.bfloat16):
        loss = batch_loss(model, make_batch(shape), objective).loss
    loss.backward()  # type: ignore[no-untyped-call]


def count(model: UnifiedModel, shape: BatchShape) -> int:
    with FlopCounterMode(display=False) as counter:
        run_step(model, shape)
    return int(counter.get_total_flops())


@pytest.mark.parametrize(
    ("size", "shape"),
    [("debug", TEXT), ("debug", IMAGE), ("debug", SAMPLED), ("debug", ODD), ("small", SAMPLED)],
)
def test_a_step_takes_the_operations_that_are_counted(size: str, shape: BatchShape) -> None:
    model = make_model(size)
    assert step_flops(model.config, [shape]) == pytest.approx(count(model, shape), rel=0.002)


def test_frozen_weights_cost_less() -> None:
    model = make_model()
    model.encoder.embed_images.requires_grad_(False)
    without_trunk = step_flops(model.config, [IMAGE], Trained(trunk=False))
    assert without_trunk == pytest.approx(count(model, IMAGE), rel=0.01)
    model.encoder.embed_tokens.weight.requires_grad_(False)
    without_both = step_flops(model.config, [IMAGE], Trained(trunk=False, token_matrix=False))
    assert without_both == pytest.approx(count(model, IMAGE), rel=0.01)
    assert without_both < without_trunk < step_flops(model.config, [IMAGE])


def test_adapters_cost_what_is_counted() -> None:
    model = make_model(encoder_layers=6, decoder_layers=6)
    add_adapters(model, AdapterSettings(4, 8.0, 0.0), 0)
    counted = step_flops(model.config, [IMAGE], Trained(lora_rank=4))
    # Biases have no gradient here, so that attention is fused, which torch does not count on CPUs.
    with sdpa_kernel(SDPBackend.MATH):
        assert counted == pytest.approx(count(model, IMAGE), rel=0.02)


def test_a_step_is_the_sum_of_its_batches() -> None:
    config = model_config("base")
    both = step_flops(config, [TEXT, IMAGE])
    assert both == step_flops(config, [TEXT]) + step_flops(config, [IMAGE])
    one, two = (forward_operations(config, BatchShape(n, 20, 9, 9 * n)).layers for n in (1, 2))
    assert two == 2 * one


def part_of(name: str) -> str:
    """The part that a parameter of the model belongs to."""
    place = name.split(".")[1]
    if place in ("embed_tokens", "embed_images", "layers"):
        coder = name.split(".", maxsplit=1)[0]
        return {
            "embed_tokens": "token matrix",
            "embed_images": "image trunk",
            "layers": f"{coder} layers",
        }[place]
    if "pos" in place or "rel_pos" in place:
        return "positions"
    return "image projection, types, norms"


@pytest.mark.parametrize("size", COUNTS)
def test_parameters_add_up_to_the_published_counts(size: str) -> None:
    assert sum(parameters_by_part(model_config(size)).values()) == COUNTS[size]


@pytest.mark.parametrize("changes", [{}, {"scale_resids": True}])
def test_each_part_has_the_parameters_of_the_model(changes: dict[str, bool]) -> None:
    model = make_model(**changes)
    found: dict[str, int] = {}
    for name, value in model.named_parameters():
        found[part_of(name)] = found.get(part_of(name), 0) + value.numel()
    assert found == parameters_by_part(model.config)


@pytest.mark.parametrize("size", ["debug", "small", "medium"])
@pytest.mark.parametrize("px", [64, 70])
def test_the_trunk_on_paper_is_the_trunk(size: str, px: int) -> None:
    config: ModelConfig = model_config(size, VOCABULARY)
    trunk = UnifiedModel(config).encoder.embed_images
    seen: list[tuple[int, int, int, int]] = []

    def note(module: torch.nn.Conv2d, _args: object, out: torch.Tensor) -> None:
        seen.append((module.in_channels, module.out_channels, module.kernel_size[0], out.shape[-1]))

    for module in trunk.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(note)
    with torch.no_grad():
        trunk(torch.zeros(1, 3, px, px))
    listed = [(c.channels, c.planes, c.kernel, c.side) for c in trunk_convolutions(config, px)]
    assert sorted(seen) == sorted(listed)
