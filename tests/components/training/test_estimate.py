"""Memory on paper against the memory that autograd and the optimizer hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from components.adapters import AdapterSettings, add_adapters
from components.model.config import model_config
from components.model.flops import BatchShape, Trained, parameters_by_part
from components.model.model import UnifiedModel
from components.training.ema import Average
from components.training.estimate import (
    Placement,
    activation_bytes,
    flops_of_step,
    memory_by_part,
    trained_parameters,
)
from components.training.objective import Objective, batch_loss
from components.training.optimizer import Adam
from components.training.step import train_step
from tests.components.model.test_flops import make_batch, make_model

CPU = Placement(device="cpu", bfloat16=False)
SHAPES = [
    BatchShape(4, 48, 24, 96),
    BatchShape(4, 16, 12, 48, image_px=64),
    BatchShape(2, 40, 20, 30, image_px=128),
    BatchShape(4, 24, 16, 64, image_px=128, sampled_patches=40),
]


@contextmanager
def kept(model: UnifiedModel) -> Iterator[dict[int, Tensor]]:
    """The tensors that autograd keeps while the block runs, by storage, but the model's own."""
    own = {t.untyped_storage().data_ptr() for t in [*model.parameters(), *model.buffers()]}
    found: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        pointer = tensor.untyped_storage().data_ptr()
        if pointer not in own:
            found[pointer] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield found


def measure(model: UnifiedModel, shape: BatchShape) -> int:
    """Bytes that autograd keeps of a forward pass."""
    batch = make_batch(shape)
    with kept(model) as found:
        loss = batch_loss(model, batch, Objective(sampled_patches=shape.sampled_patches)).loss
    assert loss.requires_grad
    return sum(tensor.untyped_storage().nbytes() for tensor in found.values())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("size", "dropout"), [("debug", 0.0), ("debug", 0.1), ("small", 0.1)])
def test_activations_are_what_autograd_keeps(size: str, dropout: float, shape: BatchShape) -> None:
    model = make_model(size, dropout=dropout)
    placement = Placement(device="cpu", bfloat16=False, dropout=dropout > 0)
    expected = activation_bytes(model.config, shape, placement)
    assert expected == pytest.approx(measure(model, shape), rel=0.1)


@pytest.mark.parametrize("rdrop", [0.0, 1.0])
def test_a_step_runs_the_operations_that_are_told_of_it(rdrop: float) -> None:
    model = make_model()
    shapes = [SHAPES[3], replace(SHAPES[1], samples=2, learnt_tokens=20), SHAPES[0]]
    sampled, *rest = map(make_batch, shapes)
    parts, objective = [[sampled], rest], Objective(sampled_patches=40, rdrop=rdrop)
    with FlopCounterMode(display=False) as counter:
        train_step(
            model, parts, Adam(model.named_parameters()), objective, seed=0, step=1,
            learning_rate=0.0, clip_norm=1.0, autocast=torch.bfloat16,
        )  # fmt: skip
    told = flops_of_step(model.config, parts, objective)
    assert told == pytest.approx(counter.get_total_flops(), rel=0.01)


def nbytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors, each storage once."""
    return sum({t.untyped_storage().data_ptr(): t.nbytes for t in tensors}.values())


@pytest.mark.parametrize(
    "trained", [Trained(), Trained(trunk=False), Trained(token_matrix=False)], ids=str
)
def test_weights_gradients_moments_and_average_are_exact(trained: Trained) -> None:
    model = make_model()
    model.encoder.embed_images.requires_grad_(trained.trunk)
    model.encoder.embed_tokens.weight.requires_grad_(trained.token_matrix)
    optimizer, average = Adam(model.named_parameters()), Average(model, 0.99)
    parts = memory_by_part(model.config, SHAPES[1], replace(CPU, has_average=True), trained)
    state = [*model.parameters(), *model.buffers()]
    counters = [b for b in model.buffers() if not b.dim()]  # of batches, 8 bytes each
    assert parts["weights"] + nbytes(counters) == nbytes(state)
    assert parts["optimizer moments"] == nbytes(optimizer.state_tensors().values())
    assert parts["gradients"] == nbytes(optimizer.parameters.values())
    assert parts["average"] + nbytes(counters) == nbytes(average.values.values())


def test_adapters_are_all_that_is_trained_with_lora() -> None:
    model = make_model()
    num = add_adapters(model, AdapterSettings(4, 8.0, 0.0), 0)
    assert trained_parameters(model.config, Trained(lora_rank=4)) == num


def test_shards_split_the_layers_and_nothing_else() -> None:
    config = model_config("xlarge")
    parts = parameters_by_part(config)
    layers = parts["encoder layers"] + parts["decoder layers"]
    whole = memory_by_part(config, SHAPES[1], Placement())
    split = memory_by_part(config, SHAPES[1], Placement(shards=8))
    assert whole["gradients"] - split["gradients"] == pytest.approx(4 * layers * 7 / 8, rel=1e-6)
    assert split["activations"] == whole["activations"]
    assert "gathered layers" in split


def test_checkpointing_keeps_one_layer_and_the_inputs_of_all() -> None:
    config, shape = model_config("large"), BatchShape(8, 256, 128, 512, 256)
    plain, checkpointed = (
        activation_bytes(config, shape, Placement(checkpointed=value)) for value in (False, True)
    )
    rows = shape.positions * config.encoder_layers + shape.target_tokens * config.decoder_layers
    assert 4 * shape.samples * config.d_model * rows < checkpointed < 0.6 * plain


def test_twice_the_samples_keep_twice_the_activations() -> None:
    config = model_config("base")
    one = activation_bytes(config, SHAPES[3], CPU)
    two = activation_bytes(config, replace(SHAPES[3], samples=8, learnt_tokens=128), CPU)
    assert two == pytest.approx(2 * one, rel=0.02)
