"""The loss against values worked out another way."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import components.training.losses as losses_module
from components.dataset.collate import Batch
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.training.losses import (
    disagreement,
    drop_worst,
    log_probabilities,
    range_mask,
    smoothed_losses,
)
from components.training.objective import LossSums, Objective, batch_loss, loss_size
from components.training.optimizer import Adam
from components.training.schedule import polynomial_decay
from components.training.step import train_step


def test_plain_loss_is_cross_entropy() -> None:
    logits, labels = torch.randn(7, 11), torch.randint(0, 11, (7,))
    loss, nll = smoothed_losses(log_probabilities(logits), labels)
    torch.testing.assert_close(loss.mean(), torch.nn.functional.cross_entropy(logits, labels))
    torch.testing.assert_close(loss, nll)


def test_patches_are_sampled_of_image_text_pairs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = tiny_batch()
    seen: list[int] = []

    def watch(model: UnifiedModel, batch: Batch, objective: Objective, **settings: Any) -> LossSums:
        seen.append(objective.sampled_patches)
        return batch_loss(model, batch, objective, **settings)

    monkeypatch.setattr("components.training.step.batch_loss", watch)
    train_step(
        model, [[batch, batch], [batch]], Adam(model.named_parameters(), weight_decay=0.0),
        Objective(sampled_patches=3), seed=1, step=1, learning_rate=0.0, clip_norm=1.0,
    )  # fmt: skip
    assert seen == [3, 3, 0]


def test_uniform_logits_give_log_vocabulary_whatever_the_smoothing() -> None:
    log_probs = log_probabilities(torch.zeros(3, 16))
    loss, _ = smoothed_losses(log_probs, torch.tensor([0, 5, 9]), 0.3)
    torch.testing.assert_close(loss, torch.full((3,), math.log(16)))


def test_disallowed_tokens_take_no_probability_and_no_smoothing() -> None:
    logits, labels = torch.randn(4, 12), torch.tensor([4, 5, 4, 5])
    allowed = range_mask((4, 6), 12, logits.device)
    loss, _ = smoothed_losses(log_probabilities(logits, None, allowed), labels, 0.1, allowed)
    kept = torch.cat([logits[:, :4], logits[:, 4:6]], 1)
    expected, _ = smoothed_losses(log_probabilities(kept), labels, 0.1)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)


def test_weights_multiply_log_probabilities() -> None:
    logits, labels = torch.randn(5, 9), torch.randint(0, 9, (5,))
    plain, _ = smoothed_losses(log_probabilities(logits), labels)
    doubled, _ = smoothed_losses(log_probabilities(logits, torch.full((5,), 2.0)), labels)
    torch.testing.assert_close(doubled, 2 * plain)


def test_drop_worst_keeps_the_smallest_losses() -> None:
    losses = torch.tensor([5.0, 1.0, 4.0, 2.0, 3.0])
    assert sorted(losses[drop_worst(losses, 0.4)].tolist()) == [1.0, 2.0, 3.0]


def test_passes_that_agree_cost_nothing_and_others_do() -> None:
    log_probs = torch.randn(4, 9).log_softmax(-1)
    assert float(disagreement(torch.cat([log_probs, log_probs])).abs().max()) < 1e-6
    assert (disagreement(torch.cat([log_probs, log_probs.flip(1)])) > 0).all()


def tiny_batch(**changes: torch.Tensor) -> tuple[UnifiedModel, Batch]:
    torch.manual_seed(0)
    model = UnifiedModel(model_config("debug", 300, dropout=0.0, drop_path=0.0))
    values = {
        "source_BS": torch.randint(4, 300, (3, 6)),
        "prev_BT": torch.randint(4, 300, (3, 5)),
        "labels_BT": torch.tensor([[9, 8, 7, 6, 2], [9, 8, 2, 1, 1], [5, 2, 1, 1, 1]]),
        "weight_B": torch.ones(3),
        "images_B3HW": None, "image_mask_B": None, "code_mask_B": None,
    }  # fmt: skip
    return model, Batch(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("rdrop", [0.0, 0.7])
def test_chunks_change_neither_loss_nor_gradients(
    rdrop: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = Objective(label_smoothing=0.1, rdrop=rdrop, drop_worst=0.2, token_range=(4, 200))
    gradients = []
    for size in (1000, 2):
        monkeypatch.setattr(losses_module, "CHUNK_TOKENS", size)
        model, batch = tiny_batch(weight_B=torch.tensor([1.0, 2.0, 0.5]))
        sums = batch_loss(model, batch, objective, step=1)
        sums.loss.backward()
        grad = model.encoder.embed_tokens.weight.grad
        assert grad is not None
        gradients.append((float(sums.loss.detach()), grad))
    assert gradients[0][0] == pytest.approx(gradients[1][0], rel=1e-6)
    torch.testing.assert_close(gradients[0][1], gradients[1][1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("objective", "size"),
    [
        (Objective(), 10),
        (Objective(ignore_eos=True), 7),
        (Objective(ignore_prefix=2), 4),
        (Objective(drop_worst=0.25), 7),
        (Objective(drop_worst=0.25, drop_worst_after=1), 10),
        (Objective(per_sample=True), 3),
        (Objective(rdrop=1.0), 20),
    ],
)
def test_sizes_are_what_the_sums_are_over(objective: Objective, size: int) -> None:
    model, batch = tiny_batch()
    assert batch_loss(model, batch, objective, step=1).size == size
    assert loss_size(batch, objective, step=1) == size


def test_what_is_ignored_has_no_part_in_the_sum() -> None:
    model, batch = tiny_batch()
    whole = float(batch_loss(model, batch, Objective()).loss.detach())
    no_eos = float(batch_loss(model, batch, Objective(ignore_eos=True)).loss.detach())
    only_eos = batch.labels_BT.where(batch.labels_BT == 2, 1)
    _, rest = tiny_batch(labels_BT=only_eos)
    assert whole - no_eos == pytest.approx(
        float(batch_loss(model, rest, Objective()).loss.detach()), 1e-5
    )


def test_a_position_without_choice_costs_nothing() -> None:
    _, batch = tiny_batch()
    model, batch = tiny_batch(allowed_BTK=batch.labels_BT[..., None])
    assert float(batch_loss(model, batch, Objective()).loss.detach()) == 0.0


@pytest.mark.parametrize(
    ("step", "expected"), [(1, 0.1), (10, 1.0), (55, 0.5), (100, 0.0), (140, 0.0)]
)
def test_schedule_warms_up_and_falls_to_zero(step: int, expected: float) -> None:
    assert polynomial_decay(step, 100, 1.0, 0.1) == pytest.approx(expected)


@pytest.mark.parametrize(("total", "rates"), [(1, [1.0]), (2, [0.5, 0.0]), (3, [2 / 3, 1 / 3, 0])])
def test_a_run_of_few_steps_has_a_rate_to_learn_with(total: int, rates: list[float]) -> None:
    found = [polynomial_decay(step, total, 1.0, 0.06) for step in range(1, total + 1)]
    assert found == pytest.approx(rates)
