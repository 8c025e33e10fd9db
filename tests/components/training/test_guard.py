"""The rules that stop a run, each in a real run; and what must not be taken for a fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from components.errors import UserError
from components.model.specials import PAD
from components.training.checkpoints import Checkpoints
from components.training.guard import IMAGES_AWAITED, PATIENCE, Guard
from components.training.loop import train
from components.training.step import Parts
from tests.components.training.test_loop import (
    StopError,
    TinyBatch,
    TinyModel,
    TinySource,
    settings,
    stop_at,
)

Change = Callable[[int, int, TinyBatch], None]


class ChangedSource(TinySource):
    """Tiny batches, of which ``change(step, part, batch)`` spoils some."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change = change

    def parts(self, step: int) -> Parts:
        parts = super().parts(step)
        for number, part in enumerate(parts):
            for batch in part:
                self.change(step, number, batch)
        return parts


def run(change: Change, model: TinyModel | None = None, guard: Guard | None = None) -> int:
    """Train to the end on changed batches; the number of logged steps."""
    return len(train(model or TinyModel(), ChangedSource(change), settings(), guard=guard).log)


def refused(change: Change, model: TinyModel | None = None, guard: Guard | None = None) -> str:
    with pytest.raises(UserError) as caught:
        run(change, model, guard)
    assert caught.value.why
    assert caught.value.next_command
    return caught.value.what


class NoNumberModel(TinyModel):
    """Its loss is a number, its gradient none: the slope of a root at zero, times zero."""

    def decode(self, prev_BT: Tensor, encoded_BD: Tensor, _: object) -> Tensor:
        features = super().decode(prev_BT, encoded_BD, None)
        return features + torch.sqrt(features * 0)


def test_a_gradient_that_is_no_number_stops_at_once() -> None:
    assert refused(lambda *_: None, NoNumberModel()) == "the gradient norm of step 1 is nan"


def weigh(steps: range) -> Change:
    """Sample weights whose gradients' squares are beyond float32, in some steps."""

    def change(step: int, _: int, batch: TinyBatch) -> None:
        if step in steps:
            batch.weight_B = torch.full_like(batch.weight_B, 1e25)

    return change


def test_infinite_gradient_norms_in_a_row_stop_it() -> None:
    what = refused(weigh(range(4, 99)))
    assert what == f"the gradient norm was infinite in 3 steps up to step {3 + PATIENCE}"


def test_a_single_infinite_norm_passes() -> None:
    assert run(weigh(range(4, 4 + PATIENCE - 1))) == 12


def read_strictly(path: Path) -> Any:
    """JSON as the standard has it: without words for what is infinite or no number."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{path.name} holds {word}")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_a_norm_that_is_infinite_is_null_in_the_log_and_after_a_resume(tmp_path: Path) -> None:
    source = ChangedSource(weigh(range(4, 5)))
    expected = train(TinyModel(), source, settings()).log
    assert [entry["step"] for entry in expected if entry["gradient_norm"] is None] == [4]
    with pytest.raises(StopError), Checkpoints(tmp_path, {}) as first:
        train(TinyModel(), source, settings(), checkpoints=first, on_step=stop_at(7))
    (values,) = tmp_path.rglob("values.json")
    assert read_strictly(values)["log"] == expected[:5]
    with Checkpoints(tmp_path, {}) as second:
        assert train(TinyModel(), source, settings(), checkpoints=second).log == expected


def mask_labels(part: int) -> Change:
    def change(step: int, number: int, batch: TinyBatch) -> None:
        if step == 4 and number == part:
            batch.labels_BT = torch.full_like(batch.labels_BT, PAD)

    return change


@pytest.mark.parametrize(("part", "name"), [(0, "first"), (1, "second")])
def test_a_part_whose_labels_are_all_masked_stops_it(part: int, name: str) -> None:
    assert refused(mask_labels(part)) == f"{name}: no label of step 4 counts"


def test_one_batch_without_labels_among_others_passes() -> None:
    class LastBatchMasked(TinySource):
        def parts(self, step: int) -> Parts:
            parts = super().parts(step)
            parts[0][-1].labels_BT.fill_(PAD)
            return parts

    assert len(train(TinyModel(), LastBatchMasked(), settings()).log) == 12


def test_a_part_that_a_mixture_lacks_passes() -> None:
    class FirstPartOnly(TinySource):
        def parts(self, step: int) -> Parts:
            return [super().parts(step)[0], []]

    assert len(train(TinyModel(), FirstPartOnly(), settings()).log) == 12


def leave_no_choice(steps: range) -> Change:
    """Allow each position its own label and nothing else: the loss is exactly 0."""

    def change(step: int, _: int, batch: TinyBatch) -> None:
        if step in steps:
            batch.allowed_BTK = batch.labels_BT[..., None]  # type: ignore[assignment]

    return change


def test_a_loss_of_exactly_zero_stops_it() -> None:
    what = refused(leave_no_choice(range(2, 99)))
    assert what == f"the loss was exactly 0 in 3 steps up to step {1 + PATIENCE}"


def test_a_zero_now_and_then_passes() -> None:
    assert run(leave_no_choice(range(2, 2 + PATIENCE - 1))) == 12


def show(image: Callable[[int], float], *, has_image: bool = True) -> Change:
    """Images whose one corner has the value that ``image`` gives for a step."""

    def change(step: int, _: int, batch: TinyBatch) -> None:
        num = len(batch.source_BS)
        batch.images_B3HW = torch.zeros(num, 3, 4, 4)
        batch.images_B3HW[:, 0, 0, 0] = image(step)
        batch.image_mask_B = torch.full((num,), has_image)

    return change


def test_images_of_one_colour_stop_it_once_enough_were_awaited() -> None:
    what = refused(show(lambda _: 0.0), guard=Guard({"first": 1.0}))
    assert what == "first: none of the first 56 samples showed an image"  # of 8 a step
    assert IMAGES_AWAITED == 50


@pytest.mark.parametrize("change", [show(lambda _: 1.0, has_image=False), lambda *_: None])
def test_absent_images_stop_it(change: Change) -> None:
    with pytest.raises(UserError) as caught:
        run(change, guard=Guard({"first": 0.9}))
    assert "90% of this material has images; 0 came in one colour, 56 samples" in caught.value.why


@pytest.mark.parametrize(
    ("change", "shares"),
    [
        (show(lambda step: float(step == 6)), {"first": 1.0}),  # one real image is enough
        (show(lambda _: 0.0), {"first": 0.5}),  # 96 samples: 48 images are awaited
        (show(lambda _: 0.0), {"first": 0.0}),  # material without images
        (lambda *_: None, {}),
    ],
)
def test_images_that_may_yet_come_are_no_fault(change: Change, shares: dict[str, float]) -> None:
    assert run(change, guard=Guard(shares)) == 12
