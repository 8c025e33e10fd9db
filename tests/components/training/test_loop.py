"""Resuming, averages, frozen parts: on a small stand-alone module with the model's API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from components.errors import UserError
from components.training.checkpoints import Checkpoints
from components.training.loop import LoopSettings, train
from components.training.step import Parts


@dataclass
class TinyBatch:
    source_BS: Tensor
    prev_BT: Tensor
    labels_BT: Tensor
    weight_B: Tensor
    allowed_BTK: None = None
    stream_B: Tensor | None = None
    images_B3HW: Tensor | None = None
    image_mask_B: Tensor | None = None
    code_mask_B: Tensor | None = None

    def to(self, _: str) -> TinyBatch:
        return self


class TinyModel(nn.Module):
    """Mean of source embeddings plus previous token, through dropout, tied projection."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Module()
        self.encoder.embed_tokens = nn.Embedding(20, 8)
        self.norm = nn.BatchNorm1d(8)
        self.dropout = nn.Dropout(0.2)

    def encode(self, source_BS: Tensor, *_: object, **__: object) -> Tensor:
        return self.norm(self.encoder.embed_tokens(source_BS).mean(1))

    def decode(self, prev_BT: Tensor, encoded_BD: Tensor, _: object) -> Tensor:
        return self.dropout(self.encoder.embed_tokens(prev_BT) + encoded_BD[:, None])

    def token_matrix(self) -> Tensor:
        return self.encoder.embed_tokens.weight


class TinySource:
    def __init__(self, micro: int = 2) -> None:
        self.part_names, self.stream_names = ["first", "second"], ["even", "odd"]
        self.micro = micro

    def parts(self, step: int) -> Parts:
        generator = torch.Generator().manual_seed(step)
        source = torch.randint(4, 20, (8, 5), generator=generator)
        labels = source[:, :3].clone()
        labels[::2, 2] = 1
        prev = torch.cat([torch.zeros(8, 1, dtype=torch.long), source[:, :2]], 1)
        size = 8 // self.micro
        batches = [
            TinyBatch(
                source[i : i + size],
                prev[i : i + size],
                labels[i : i + size],
                torch.ones(size),
                stream_B=torch.arange(i, i + size) % 2,
            )
            for i in range(0, 8, size)
        ]
        return [batches, batches[:1]]


def settings(steps: int = 12, **changes: object) -> LoopSettings:
    values: dict[str, object] = {
        "steps": steps,
        "learning_rate": 1e-2,
        "warmup": 0.1,
        "weight_decay": 0.01,
        "clip_norm": 1.0,
        "ema_decay": 0.9,
        "seed": 3,
        "log_every": 1,
        "save_every": 5,
    }
    return LoopSettings(**{**values, **changes})  # type: ignore[arg-type]


class StopError(Exception):
    pass


def stop_at(step: int):  # type: ignore[no-untyped-def]
    def check(now: int, _: object) -> None:
        if now == step:
            raise StopError

    return check


@pytest.mark.parametrize("stopped_at", [6, 10, 11])
def test_interrupted_equals_uninterrupted(tmp_path: Path, stopped_at: int) -> None:
    whole = TinyModel()
    expected = train(whole, TinySource(), settings())
    with pytest.raises(StopError), Checkpoints(tmp_path, {}) as first:
        train(TinyModel(), TinySource(), settings(), checkpoints=first, on_step=stop_at(stopped_at))
    resumed = TinyModel()
    with Checkpoints(tmp_path, {}) as second:
        result = train(resumed, TinySource(), settings(), checkpoints=second)
    assert result.resumed_from == (10 if stopped_at > 10 else 5)
    assert result.log == expected.log
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_loss_that_is_no_number_names_step_and_remedy() -> None:
    model = TinyModel()
    with torch.no_grad():
        model.encoder.embed_tokens.weight.fill_(float("nan"))
    with pytest.raises(UserError, match=r"loss of step 1") as caught:
        train(model, TinySource(), settings())
    assert "learning_rate" in caught.value.next_command


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_run_of_one_step_learns(ema_decay: float) -> None:
    model = TinyModel()
    train(model, TinySource(), settings(1, ema_decay=ema_decay))
    start = TinyModel().encoder.embed_tokens.weight
    assert not torch.equal(model.encoder.embed_tokens.weight, start)


def test_averaging_returns_the_average() -> None:
    plain, averaged = TinyModel(), TinyModel()
    train(plain, TinySource(), settings(ema_decay=0.0))
    train(averaged, TinySource(), settings(ema_decay=0.9))
    start = TinyModel().encoder.embed_tokens.weight
    moved = (plain.encoder.embed_tokens.weight - start).norm()
    assert 0 < (averaged.encoder.embed_tokens.weight - start).norm() < moved


def test_frozen_embeddings_stay() -> None:
    model = TinyModel()
    before = model.encoder.embed_tokens.weight.detach().clone()
    train(model, TinySource(), settings(freeze_embeddings=True, ema_decay=0.0))
    assert torch.equal(before, model.encoder.embed_tokens.weight)
