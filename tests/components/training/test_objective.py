"""The loss against values worked out another way."""

from __future__ import annotations

import math

import pytest
import torch

from components.training.objective import drop_worst, range_mask, token_losses
from components.training.schedule import polynomial_decay


def test_plain_loss_is_cross_entropy() -> None:
    logits, labels = torch.randn(7, 11), torch.randint(0, 11, (7,))
    loss, nll = token_losses(logits, labels)
    torch.testing.assert_close(loss.mean(), torch.nn.functional.cross_entropy(logits, labels))
    torch.testing.assert_close(loss, nll)


def test_uniform_logits_give_log_vocabulary_whatever_the_smoothing() -> None:
    loss, _ = token_losses(torch.zeros(3, 16), torch.tensor([0, 5, 9]), label_smoothing=0.3)
    torch.testing.assert_close(loss, torch.full((3,), math.log(16)))


def test_disallowed_tokens_take_no_probability_and_no_smoothing() -> None:
    logits, labels = torch.randn(4, 12), torch.tensor([4, 5, 4, 5])
    allowed = range_mask((4, 6), 12, logits.device)
    loss, _ = token_losses(logits, labels, label_smoothing=0.1, allowed_NV=allowed)
    kept = torch.cat([logits[:, :4], logits[:, 4:6]], 1)
    expected, _ = token_losses(kept, labels, label_smoothing=0.1)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)


def test_weights_multiply_log_probabilities() -> None:
    logits, labels = torch.randn(5, 9), torch.randint(0, 9, (5,))
    plain, _ = token_losses(logits, labels)
    doubled, _ = token_losses(logits, labels, weight_N=torch.full((5,), 2.0))
    torch.testing.assert_close(doubled, 2 * plain)


def test_drop_worst_keeps_the_smallest_losses() -> None:
    losses = torch.tensor([5.0, 1.0, 4.0, 2.0, 3.0])
    kept, _ = drop_worst(losses, losses, 0.4)
    assert sorted(kept.tolist()) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("step", "expected"), [(1, 0.1), (10, 1.0), (55, 0.5), (100, 0.0), (140, 0.0)]
)
def test_schedule_warms_up_and_falls_to_zero(step: int, expected: float) -> None:
    assert polynomial_decay(step, 100, 1.0, 0.1) == pytest.approx(expected)
