"""Held-out examples: looked at without a trace, and what is left by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from components.runs import tell_validations
from components.training.checkpoints import Checkpoints
from components.training.loop import LoopResult, train
from components.training.objective import Batch, Objective, batch_loss
from components.training.validation import HeldOut, validation_nll
from tests.components.training.test_loop import StopError, TinyModel, TinySource, settings, stop_at


def held_out() -> Iterator[Batch]:
    yield from TinySource().parts(999)[0]


def run(
    folder: Path, model: TinyModel, stopped_at: int = 0, look: HeldOut = held_out, **changes: Any
) -> LoopResult:
    on_step = stop_at(stopped_at) if stopped_at else None
    with Checkpoints(folder, {}, keep_best=1) as checkpoints:
        numbers = settings(**changes)
        return train(
            model, TinySource(), numbers, checkpoints=checkpoints, held_out=look,
            on_step=on_step,
        )  # fmt: skip


def contrary() -> Iterator[Batch]:
    """Other labels than the run learns: the longer it is trained, the worse."""
    for batch in held_out():
        labels = batch.labels_BT
        batch.labels_BT = torch.where(labels == 1, labels, 4 + (labels + 3) % 16)
        yield batch


def test_the_loss_is_the_plain_one_over_all_tokens() -> None:
    model = TinyModel()
    model.train()
    found = validation_nll(model, held_out())
    assert model.training and model.dropout.training
    model.eval()
    sums = [batch_loss(model, batch, Objective()) for batch in held_out()]
    assert found == pytest.approx(sum(float(s.nll) for s in sums) / sum(s.size for s in sums))


def test_looking_leaves_no_trace(tmp_path: Path) -> None:
    plain, looked = TinyModel(), TinyModel()
    expected = train(plain, TinySource(), settings())
    result = run(tmp_path, looked, validate_every=3)
    assert result.log == expected.log
    for name, value in plain.state_dict().items():
        assert torch.equal(value, looked.state_dict()[name]), name
    assert [look["step"] for look in result.validations] == [3, 6, 9, 12]
    assert result.kept_step == 12


def test_the_last_look_is_at_the_weights_that_are_left(tmp_path: Path) -> None:
    model = TinyModel()
    last = run(tmp_path, model, validate_every=5).validations[-1]
    assert last["step"] == 12
    assert last["nll"] == validation_nll(model, held_out())  # averaged ones


def test_the_best_weights_are_kept_though_training_went_on(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"validate_every": 2, "learning_rate": 0.05, "look": contrary}
    best, last = TinyModel(), TinyModel()
    for model in (best, last):
        model.encoder.embed_tokens.weight.data.mul_(0.01)  # knows nothing, and claims nothing
    result = run(tmp_path / "best", best, keep_best=True, **changes)
    run(tmp_path / "last", last, **changes)
    nll = {look["step"]: look["nll"] for look in result.validations}
    assert result.kept_step == min(nll, key=lambda step: nll[step]) < 12
    assert validation_nll(best, contrary()) == nll[result.kept_step] < nll[12]
    assert validation_nll(last, contrary()) == nll[12]


@pytest.mark.parametrize("stopped_at", [5, 9])
def test_an_interrupted_run_keeps_the_same_weights(tmp_path: Path, stopped_at: int) -> None:
    changes = {"validate_every": 2, "learning_rate": 0.3, "keep_best": True}
    whole, broken, resumed = TinyModel(), TinyModel(), TinyModel()
    expected = run(tmp_path / "whole", whole, **changes)
    with pytest.raises(StopError):
        run(tmp_path / "broken", broken, stopped_at, **changes)
    result = run(tmp_path / "broken", resumed, **changes)
    assert result.resumed_from > 0
    assert (result.validations, result.kept_step) == (expected.validations, expected.kept_step)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_look_that_gives_no_number_is_null_and_keeps_no_checkpoint(tmp_path: Path) -> None:
    def nothing() -> Iterator[Batch]:
        for batch in held_out():
            batch.labels_BT = torch.ones_like(batch.labels_BT)
            yield batch

    result = run(tmp_path, TinyModel(), look=nothing, validate_every=6)
    assert result.validations == [{"step": 6, "nll": None}, {"step": 12, "nll": None}]
    assert json.loads(json.dumps(result.validations, allow_nan=False)) == result.validations
    found = {"kept_step": 12, "validations": result.validations}
    assert tell_validations(found).startswith("no number of nats a held-out token")
